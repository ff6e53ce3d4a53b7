"""COCO's `segmentation` in all its forms (RLE, polygons) <-> masks, and mattes as eight RLEs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from premask import rle
from premask.errors import InvalidMask
from premask.labels.borders import Border
from premask.masks import Mask, Matte, Size
from premask.rle_check import are_canonical

LONGEST_OUTLINE = 2**24
"""The most pixels around one polygon; pycocotools takes some 40 bytes of memory for each."""

_MERGED_AT_ONCE = 16


def mask_from_segmentation(segmentation: object, size_hw: Size) -> Mask:
    """The mask of a compressed RLE, an uncompressed RLE, or a list of polygons [x, y, x, y, ...].

    Polygons become the pixels that pycocotools makes of them. Several are parts of one mask, and an
    empty list is an empty mask. A list of numbers is one polygon, which some tools put in no list.
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
    polygons = plain_polygons(segmentation)
    if not polygons:
        return Mask.empty(size_hw)
    return Mask.from_rle(_merged(coco_mask.frPyObjects(polygons, *size_hw)))


def masks_from_segmentations(segmentations: Sequence[object], sizes: Sequence[Size]) -> list[Mask]:
    """What `mask_from_segmentation` makes of each; in a fifth of the time for thousands."""
    packed = [_packed(*pair) for pair in zip(segmentations, sizes, strict=True)]
    canonical = are_canonical(packed, [height * width for height, width in sizes])
    return [
        Mask(size_hw=size, counts=text) if good else mask_from_segmentation(segmentation, size)
        for text, good, segmentation, size in zip(
            packed, canonical.tolist(), segmentations, sizes, strict=True
        )
    ]


def masks_of_records(
    records: Sequence[Mapping[str, Any]], sizes: Sequence[Size]
) -> list[Mask | None]:
    """The masks of COCO's annotations, read together; None where there is no segmentation.

    Also where there is a broken one, so that whoever reads it by itself can name it: then all are.
    """
    masked = [place for place, record in enumerate(records) if record.get("segmentation")]
    masks: list[Mask | None] = [None] * len(records)
    try:
        read = masks_from_segmentations(
            [records[place]["segmentation"] for place in masked], [sizes[place] for place in masked]
        )
    except InvalidMask:
        return masks
    for place, mask in zip(masked, read, strict=True):
        masks[place] = mask
    return masks


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
    border = Border.around(pixels)
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


def _packed(segmentation: object, size_hw: Size) -> bytes:
    """The compressed counts, not checked; b"" of what has to be looked at more closely."""
    if not isinstance(segmentation, Mapping):
        polygons = plain_polygons(segmentation)
        rles = coco_mask.frPyObjects(polygons, *rle.require_size(size_hw)) if polygons else []
        return bytes(_merged(rles)["counts"]) if polygons else b""
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if not isinstance(size, (list, tuple)) or tuple(size) != tuple(size_hw):
        return b""
    if isinstance(counts, str) and counts.isascii():
        return counts.encode("ascii")
    return counts if isinstance(counts, bytes) else b""


def plain_polygons(segmentation: object) -> list[list[float]]:
    """Polygons as COCO has them: lists of numbers [x, y, x, y, ...], whatever they were before."""
    if not isinstance(segmentation, (list, tuple)):
        raise InvalidMask(
            "A COCO segmentation is an RLE (a dict) or a list of polygons (lists of numbers); "
            f"got {type(segmentation).__name__}."
        )
    is_one = bool(segmentation) and isinstance(segmentation[0], (int, float))
    return [_checked_polygon(polygon) for polygon in ([segmentation] if is_one else segmentation)]


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
    if not is_huge and 2 * reach * len(xy) > LONGEST_OUTLINE:
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
