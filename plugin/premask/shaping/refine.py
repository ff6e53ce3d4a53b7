"""What should the mask look like? Pure functions on masks, at the cost of the object's box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS, Box, IntBox, box_slices, grow_box, pixel_box
from premask.masks import Mask, Matte
from premask.settings import setting

Pixels = NDArray[np.bool_]

EIGHT_NEIGHBORS = np.ones((3, 3), np.bool_)
"""Parts of the mask hang together at corners, so what encloses a hole may be a diagonal line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """What happens to each mask, in the order of these fields.

    An annotation without a mask passes unchanged. When a mask changes, the box follows it, and a
    matte that it no longer agrees with is dropped.
    """

    fill_holes: int = setting(
        0,
        "fill holes of up to this many pixels; as many as the image has fills all",
        minimum=0,
        maximum=MAX_PIXELS,
    )
    min_part: int = setting(
        0, "drop separate parts of fewer pixels than this", minimum=0, maximum=MAX_PIXELS
    )
    largest_part: bool = setting(False, "keep only the largest part")
    opening: int = setting(
        0,
        "drop spurs and bridges in which a disc of this radius does not fit, in pixels",
        minimum=0,
        maximum=500,
    )
    closing: int = setting(
        0,
        "fill gaps and notches in which a disc of this radius does not fit, in pixels",
        minimum=0,
        maximum=500,
    )
    smooth: int = setting(
        0, "round off what is finer than this radius, in pixels", minimum=0, maximum=100
    )
    grow: int = setting(
        0, "move the edge outwards, in pixels; a negative number shrinks", minimum=-500, maximum=500
    )
    inside_box: bool = setting(False, "cut off what sticks out of the box that was found")
    invert: bool = setting(False, "take all other pixels instead")
    overlaps: str = setting(
        "keep",
        "who gets a pixel that several objects claim: all of them (keep), the one with the best "
        "score, with the smallest area, or the first in order",
        choices=("keep", "score", "area", "order"),
    )
    drop_empty: bool = setting(True, "drop an object whose mask has no pixel")
    feather: float = setting(
        0.0, "width of a soft edge (a matte), in pixels; the mask stays", minimum=0, maximum=500
    )


def refine(annotations: Sequence[Annotation], settings: Refine) -> tuple[Annotation, ...]:
    """Apply all that is set; an annotation that nothing changes comes back as the same object."""
    refined = [_reshaped(annotation, settings) for annotation in annotations]
    if settings.overlaps != "keep":
        refined = _disjoint(refined, settings.overlaps)
    if settings.drop_empty:
        refined = [found for found in refined if found.mask is None or found.mask.area]
    if settings.feather:
        refined = [_with_soft_edge(found, settings.feather) for found in refined]
    return tuple(refined)


def fill_holes(mask: Mask, pixels: int = MAX_PIXELS) -> Mask:
    """Fill each hole of at most this many pixels.

    A hole is background that can't reach the image's border by steps up, down, left and right.
    """
    return _edited(mask, 1, lambda crop: _filled(crop, pixels)) if pixels else mask


def parts(mask: Mask) -> list[Mask]:
    """Connected parts, the one with the topmost pixel first; a shared corner connects."""
    box = _box_around(mask, 1)
    numbers, (x, y) = _numbered_parts(mask.crop(box)), box[:2]
    return [
        Mask.from_crop(
            numbers[rows, columns] == number, (x + columns.start, y + rows.start), mask.size_hw
        )
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1)
    ]


def drop_small_parts(mask: Mask, pixels: int) -> Mask:
    """Drop connected parts of fewer pixels than this."""
    return _edited(mask, 0, lambda crop: _large_parts(crop, pixels)) if pixels > 1 else mask


def largest_part(mask: Mask) -> Mask:
    """Keep the connected part with the most pixels; of equals the topmost."""
    return _edited(mask, 0, _largest_part)


def grow(mask: Mask, pixels: int) -> Mask:
    """Take in all pixels within this Euclidean distance of the mask, from center to center.

    A negative number shrinks.
    """
    if pixels <= 0:
        return shrink(mask, -pixels)
    return _edited(mask, pixels, lambda crop: _dilated(crop, pixels))


def shrink(mask: Mask, pixels: int) -> Mask:
    """Drop all pixels within this Euclidean distance of the background, from center to center.

    The image's border is not background: an object that the frame cuts off has no edge there.
    """
    return _edited(mask, 1, lambda crop: _eroded(crop, pixels)) if pixels else mask


def opened(mask: Mask, pixels: int) -> Mask:
    """Shrink, then grow: drops what is too narrow for a disc of this radius."""
    if not pixels:
        return mask
    return _edited(mask, 1, lambda crop: _dilated(_eroded(crop, pixels), pixels))


def closed(mask: Mask, pixels: int) -> Mask:
    """Grow, also beyond the image, then shrink: fills what is too narrow for a disc of this radius.

    Within the image alone, an object near the border would be welded to it.
    """
    if not pixels:
        return mask
    x0, y0, x1, y1 = mask.box_xyxy
    canvas = mask.crop((x0 - pixels, y0 - pixels, x1 + pixels, y1 + pixels))
    filled = _eroded(_dilated(canvas, pixels), pixels)[pixels:-pixels, pixels:-pixels]
    return Mask.from_crop(filled, (x0, y0), mask.size_hw)


def smoothed(mask: Mask, pixels: int) -> Mask:
    """Take the pixels around which the mask outweighs the background; straight edges stay.

    The weights are a Gaussian that ends at this radius, its second standard deviation.
    """
    return _edited(mask, 1, lambda crop: _majority(crop, pixels)) if pixels else mask


def clipped(mask: Mask, box_xyxy: Box) -> Mask:
    """Drop the pixels that the box does not touch."""
    box = pixel_box(box_xyxy, mask.size_hw)
    return Mask.from_crop(mask.crop(box), box[:2], mask.size_hw)


def without_overlaps(masks: Sequence[Mask], order: Sequence[int]) -> list[Mask]:
    """Give each pixel to one mask; `order` has the indices of the masks, who claims first first."""
    sizes = {mask.size_hw for mask in masks}
    if len(sizes) > 1:
        raise InvalidMask(
            f"These masks belong to images of different sizes: {sorted(sizes)}. "
            "Pass the masks of one image at a time."
        )
    # Only the pages of memory that a mask's box touches are ever used.
    taken = np.zeros(next(iter(sizes), (0, 0)), np.bool_)
    disjoint = list(masks)
    for index in order:
        disjoint[index] = _claim(masks[index], taken)
    return disjoint


def feathered(mask: Mask, pixels: float) -> Matte:
    """Alpha that rises from 0 to 255 across a band of this width, half of it outside of the mask.

    Alpha is 128 or more exactly on the mask. The image's border is no edge.
    """
    box = _box_around(mask, math.ceil(pixels / 2) + 1)
    crop = mask.crop(box)
    alpha = _soft_edge(crop, pixels) if pixels else crop * np.uint8(255)
    return Matte.from_crop(alpha, box[:2], mask.size_hw)


def _reshaped(annotation: Annotation, settings: Refine) -> Annotation:
    if annotation.mask is None:
        return annotation
    mask = fill_holes(annotation.mask, settings.fill_holes)
    mask = drop_small_parts(mask, settings.min_part)
    mask = largest_part(mask) if settings.largest_part else mask
    mask = opened(mask, settings.opening)
    mask = closed(mask, settings.closing)
    mask = smoothed(mask, settings.smooth)
    mask = grow(mask, settings.grow)
    mask = clipped(mask, annotation.box_xyxy) if settings.inside_box else mask
    mask = mask.inverted() if settings.invert else mask
    return _with_mask(annotation, mask)


def _with_mask(annotation: Annotation, mask: Mask) -> Annotation:
    if mask == annotation.mask:
        return annotation
    return replace(annotation, mask=mask, box_xyxy=mask.box_xyxy, matte=None)


def _disjoint(annotations: list[Annotation], first: str) -> list[Annotation]:
    disjoint = list(annotations)
    masks = {index: found.mask for index, found in enumerate(annotations) if found.mask is not None}
    rank: dict[str, Callable[[int], float]] = {
        "score": lambda index: -(annotations[index].score or 0),
        "area": lambda index: masks[index].area,
        "order": lambda index: index,
    }
    places = sorted(masks, key=rank[first])
    claimed = without_overlaps([masks[place] for place in places], range(len(places)))
    for place, mask in zip(places, claimed, strict=True):
        disjoint[place] = _with_mask(annotations[place], mask)
    return disjoint


def _with_soft_edge(annotation: Annotation, pixels: float) -> Annotation:
    if annotation.mask is None:
        return annotation
    return replace(annotation, matte=feathered(annotation.mask, pixels))


def _box_around(mask: Mask, margin: int) -> IntBox:
    return pixel_box(grow_box(mask.box_xyxy, margin), mask.size_hw)


def _edited(mask: Mask, margin: int, edit: Callable[[Pixels], Pixels]) -> Mask:
    """Edit the mask's box, with a margin as far as the image goes.

    A margin of 1 is all that most edits need: the nearest background of a pixel is in it.
    """
    box = _box_around(mask, margin)
    return Mask.from_crop(edit(mask.crop(box)), box[:2], mask.size_hw)


def _filled(crop: Pixels, pixels: int) -> Pixels:
    numbers = np.asarray(ndimage.label(~crop)[0])
    enclosed = np.bincount(numbers.ravel()) <= pixels
    for side in (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]):
        enclosed[side] = False
    return np.asarray(crop | enclosed[numbers])


def _numbered_parts(crop: Pixels) -> NDArray[np.int32]:
    """The number of each pixel's part, from 1 in reading order; 0 is background."""
    return np.asarray(ndimage.label(crop, structure=EIGHT_NEIGHBORS)[0], np.int32)


def _large_parts(crop: Pixels, pixels: int) -> Pixels:
    numbers = _numbered_parts(crop)
    large = np.bincount(numbers.ravel()) >= pixels
    return np.asarray(crop & large[numbers])


def _largest_part(crop: Pixels) -> Pixels:
    numbers = _numbered_parts(crop)
    sizes = np.bincount(numbers[crop], minlength=1)
    return np.asarray(crop & (numbers == sizes.argmax()))


def _dilated(crop: Pixels, radius: int) -> Pixels:
    """All pixels within `radius` of a True one, exactly, in four passes whatever the radius.

    A pixel `away` rows from a True one of its column is in that one's disc, and the disc is
    sqrt(radius² - away²) wide on either side of it: each row is a union of such spans.
    """
    away = _rows_away(crop, radius + 1)
    squares = radius**2 - np.arange(radius + 1) ** 2
    half_widths = np.append(np.sqrt(squares), -1).astype(away.dtype)  # -1: no disc comes here
    reach = half_widths[away]
    column = np.arange(crop.shape[1], dtype=away.dtype)
    from_left = np.maximum.accumulate(column + reach, axis=1) >= column
    from_right = np.minimum.accumulate((column - reach)[:, ::-1], axis=1)[:, ::-1] <= column
    return np.asarray(from_left | from_right)


def _rows_away(crop: Pixels, limit: int) -> NDArray[np.signedinteger[Any]]:
    """How many rows up or down the nearest True pixel of the column is, at most `limit`."""
    height = crop.shape[0]
    # Time is spent on memory here: most crops need 16 bits, not 64.
    number = np.min_scalar_type(-(max(crop.shape) + limit + 1))
    row = np.arange(height, dtype=number)[:, None]
    above = np.maximum.accumulate(np.where(crop, row, number.type(-limit)), axis=0)
    nothing = number.type(height + limit)
    below = np.minimum.accumulate(np.where(crop, row, nothing)[::-1], axis=0)[::-1]
    return np.asarray(np.minimum(np.minimum(row - above, below - row), limit))


def _eroded(crop: Pixels, radius: int) -> Pixels:
    return ~_dilated(~crop, radius)


def _majority(crop: Pixels, radius: int) -> Pixels:
    # "nearest" continues the object beyond the image's border, so the border does not round it off.
    weight = ndimage.gaussian_filter(
        crop.astype(np.float32), sigma=radius / 2, radius=radius, mode="nearest"
    )
    return np.asarray(weight >= 0.5)


def _claim(mask: Mask, taken: Pixels) -> Mask:
    """What of the mask is not taken yet; takes it."""
    box = mask.box_xyxy
    crop, others = mask.crop(), taken[box_slices(box)]
    free = crop & ~others
    others |= crop
    return Mask.from_crop(free, box[:2], mask.size_hw)


def _soft_edge(crop: Pixels, width: float) -> NDArray[np.uint8]:
    if crop.all() or not crop.any():  # SciPy's distances are undefined where there is no edge
        return crop * np.uint8(255)
    to_other = ndimage.distance_transform_edt(crop) - ndimage.distance_transform_edt(~crop)
    # The edge lies half a pixel before the center of the nearest pixel of the other side.
    to_edge = to_other - np.copysign(0.5, to_other)
    alpha = np.clip(0.5 + to_edge / width, 0, 1)
    return np.asarray(np.rint(255 * alpha), np.uint8)
