"""COCO's `segmentation` in all its forms (RLE, polygons) <-> masks, and mattes as eight RLEs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask import rle
from premask.errors import InvalidMask
from premask.masks import Mask, Matte, Size

Indices = NDArray[np.int64]

LONGEST_OUTLINE = 2**24
"""The most pixels around one polygon; pycocotools takes some 40 bytes of memory for each."""

_MERGED_AT_ONCE = 16

# The sides of a pixel in the order in which they are walked: top, right, bottom, left.
_TOP, _BOTTOM, _SIDES = 0, 2, 4
_OUT_XY = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])
_START_XY = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


def mask_from_segmentation(segmentation: object, size_hw: Size) -> Mask:
    """The mask of a compressed RLE, an uncompressed RLE, or a list of polygons [x, y, x, y, ...].

    Polygons become the pixels that pycocotools makes of them. Several are parts of one mask, and an
    empty list is an empty mask.
    """
    rle.require_size(size_hw)
    if isinstance(segmentation, Mapping):
        mask = Mask.from_rle(segmentation)
        if mask.size_hw != tuple(size_hw):
            raise InvalidMask(
                f"This RLE is for an image of {mask.size_hw[1]} x {mask.size_hw[0]} pixels, but "
                f"its image has {size_hw[1]} x {size_hw[0]}. Is it another image's?"
            )
        return mask
    polygons = [_checked_polygon(polygon) for polygon in _as_list(segmentation)]
    if not polygons:
        return Mask.empty(size_hw)
    return Mask.from_rle(_merged(coco_mask.frPyObjects(polygons, *size_hw)))


def mask_to_polygons(mask: Mask) -> list[list[float]]:
    """Outlines along the edges of the pixels, one [x, y, x, y, ...] for each part of the mask.

    COCO's polygons have no holes. So an outline runs to each of its holes, around it, and back on
    the same vertical line, which has no width. pycocotools makes exactly the same pixels of it.
    OpenCV, which also paints the outline itself, makes the object a little larger, and Shapely,
    which wants rings that don't touch themselves, has to repair them.
    """
    crop, corner_xy = rle.counts_to_crop(mask.run_lengths, mask.size_hw)
    if not crop.size:
        return []
    pixels = np.pad(crop, 1)
    border = _Border.around(pixels)
    followers = border.opened(border.followers(pixels))
    # The padding moved all pixels by one.
    outlines = border.outlines_xy(followers, np.subtract(corner_xy, 1))
    return [outline.astype(float).ravel().tolist() for outline in outlines]


def matte_to_planes(matte: Matte) -> list[dict[str, Any]]:
    """Eight COCO RLEs, the lowest bit first: alpha = sum of 2**k * plane k."""
    return [plane.rle for plane in matte.planes]


def matte_from_planes(planes: Sequence[Mapping[str, Any]], size_hw: Size | None = None) -> Matte:
    """Undo `matte_to_planes`; the matte has to be for an image of this size, if one is given."""
    if not isinstance(planes, Sequence):
        raise InvalidMask(f"A matte is a list of eight COCO RLEs; got {type(planes).__name__}.")
    matte = Matte.from_planes([Mask.from_rle(plane) for plane in planes])
    if size_hw is not None and matte.size_hw != tuple(size_hw):
        raise InvalidMask(f"its matte is for an image of {matte.size_hw}, not {tuple(size_hw)}")
    return matte


def _as_list(segmentation: object) -> list[object]:
    if not isinstance(segmentation, (list, tuple)):
        raise InvalidMask(
            "A COCO segmentation is an RLE (a dict) or a list of polygons (lists of numbers); "
            f"got {type(segmentation).__name__}."
        )
    return list(segmentation)


def _checked_polygon(polygon: object) -> list[float]:
    """The numbers of a polygon, or `InvalidMask` if pycocotools would draw it wrong or forever."""
    try:
        xy = np.array(polygon, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidMask(
            f"A COCO polygon is a list of numbers [x, y, x, y, ...] ({error})."
        ) from error
    # pycocotools takes four numbers for a box, and so makes other pixels of them.
    if len(xy) < 3:
        raise InvalidMask(f"A COCO polygon has three points at least; this one has {len(xy)}.")
    reach = np.abs(xy).max()
    is_huge = not reach <= LONGEST_OUTLINE  # also where it is not a number
    if not is_huge:
        # pycocotools draws a line pixel by pixel, along the longer of its two directions.
        is_huge = np.abs(xy - np.roll(xy, 1, axis=0)).max(axis=1).sum() > LONGEST_OUTLINE
    if is_huge:
        raise InvalidMask(
            f"This polygon is more than {LONGEST_OUTLINE:,} pixels around (or not finite): its "
            f"farthest number is {reach:,.0f}. Are its numbers pixels of this image?"
        )
    numbers: list[float] = xy.ravel().tolist()
    return numbers


def _merged(rles: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge all RLEs into one.

    A few are merged at a time: for each further one pycocotools reads all of what it has again.
    """
    while len(rles) > 1:
        groups = range(0, len(rles), _MERGED_AT_ONCE)
        rles = [coco_mask.merge(rles[first : first + _MERGED_AT_ONCE]) for first in groups]
    return rles[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Border:
    """The sides of pixels at which a mask ends: the numbers of pixels, and which side of them.

    An outline goes from side to side with the mask on its right hand, so it turns around a hole the
    other way than around a part. The sides are sorted by side, then by pixel, and the `followers`
    that lead from one to the next are indices into that order.
    """

    pixel: Indices
    side: Indices
    width: int

    @classmethod
    def around(cls, pixels: NDArray[np.bool_]) -> _Border:
        """All sides of pixels (height, width), none of which is at the array's own edge."""
        flat, width = pixels.ravel(), pixels.shape[1]
        found = [np.flatnonzero(flat & ~np.roll(flat, -step)) for step in _OUT_XY @ (1, width)]
        side = np.repeat(np.arange(_SIDES), [len(pixel) for pixel in found])
        return cls(pixel=np.concatenate(found), side=side, width=width)

    def followers(self, pixels: NDArray[np.bool_]) -> Indices:
        """For each side the next one of its outline."""
        flat, out = pixels.ravel(), _OUT_XY @ (1, self.width)
        ahead = self.pixel + out[(self.side + 1) % _SIDES]
        corner = ahead + out[self.side]
        # Pixels that share nothing but a corner are two parts, so there the outline turns right.
        turns_right = ~flat[ahead]
        turns_left = ~turns_right & flat[corner]
        pixel = np.select([turns_right, turns_left], [self.pixel, corner], ahead)
        return self._index(self.side + turns_right - turns_left.astype(np.int64), pixel)

    def opened(self, followers: Indices) -> Indices:
        """Followers that lead into every hole, around it, and back: one ring for each part."""
        after, before = followers.copy(), np.argsort(followers)
        bottoms = self._upper_sides_of_holes(followers)
        for bottom, top in zip(bottoms, self._tops_above(bottoms), strict=True):
            entry, inside = before[top], after[bottom]
            after[entry], before[inside] = inside, entry
            after[bottom], before[top] = top, bottom
        return after

    def outlines_xy(self, followers: Indices, offset_xy: Indices) -> list[Indices]:
        """The corners (n, 2) of each ring."""
        order, firsts = _rings(followers)
        following = followers[order]
        end, start = self._starts_xy(order, 1), self._starts_xy(following, 0)
        bridge = (end != start).any(axis=1)
        turn = self.side[order] != self.side[following]
        is_corner = np.stack([turn | bridge, bridge], axis=1)
        corners = np.stack([end, start], axis=1)[is_corner] + offset_xy
        ends = np.cumsum(is_corner.sum(axis=1))[np.append(firsts[1:], len(order)) - 1]
        return np.split(corners, ends)[:-1]

    def _index(self, side: Indices, pixel: Indices) -> Indices:
        """The indices of these sides."""
        stride = self.pixel.max() + 1
        keys: Indices = self.side * stride + self.pixel
        wanted: Indices = side % _SIDES * stride + pixel
        return np.searchsorted(keys, wanted)

    def _upper_sides_of_holes(self, followers: Indices) -> Indices:
        """For each hole the lower side of the first pixel above it."""
        order, firsts = _rings(followers)
        row = self.pixel // self.width
        height = np.select([self.side == _TOP, self.side == _BOTTOM], [-row, row + 1])
        upper = np.where(self.side == _BOTTOM, self.pixel, self.pixel.max())
        is_hole = np.add.reduceat(height[order], firsts) < 0
        pixel = np.minimum.reduceat(upper[order], firsts)[is_hole]
        return self._index(np.full(len(pixel), _BOTTOM), pixel)

    def _tops_above(self, bottoms: Indices) -> Indices:
        """For each of these sides the first upper side on the way up through the mask."""
        tops = np.flatnonzero(self.side == _TOP)
        tops = tops[np.argsort(self._down_the_columns(tops))]
        below = np.searchsorted(
            self._down_the_columns(tops), self._down_the_columns(bottoms), side="right"
        )
        return tops[below - 1]

    def _down_the_columns(self, sides: Indices) -> Indices:
        row, column = np.divmod(self.pixel[sides], self.width)
        positions: Indices = column * self.pixel.max() + row
        return positions

    def _starts_xy(self, sides: Indices, turn: int) -> Indices:
        """Where the sides start, or (turn=1) end."""
        row, column = np.divmod(self.pixel[sides], self.width)
        corner = _START_XY[(self.side[sides] + turn) % _SIDES]
        xy: Indices = np.stack([column, row], axis=1) + corner
        return xy


def _rings(followers: Indices) -> tuple[Indices, Indices]:
    """All indices, ring by ring, and where in them each ring begins."""
    after, seen = followers.tolist(), bytearray(len(followers))
    order: list[int] = []
    firsts = []
    for first in range(len(after)):
        if not seen[first]:
            firsts.append(len(order))
        index = first
        while not seen[index]:
            seen[index] = True
            order.append(index)
            index = after[index]
    return np.array(order, np.int64), np.array(firsts, np.int64)
