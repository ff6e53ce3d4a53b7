"""Functions from masks to masks: grow, smooth, fill, take apart; they work on the object's box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS, Box, IntBox, box_slices, grow_box, pixel_box
from premask.masks import Mask, Matte

Pixels = NDArray[np.bool_]

EIGHT_NEIGHBORS = np.ones((3, 3), np.bool_)
"""Two pixels of a mask that share a corner are connected; so a diagonal line can enclose a hole."""


def fill_holes(mask: Mask, pixels: int = MAX_PIXELS) -> Mask:
    """Fill each hole of at most this many pixels.

    A hole is background from which no path of steps up, down, left and right leads to the border of
    the image.
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
    """Keep the connected part with the most pixels; of parts of one size the topmost."""
    return _edited(mask, 0, _largest_part)


def grow(mask: Mask, pixels: int) -> Mask:
    """Add all pixels within this Euclidean distance of the mask, from center to center.

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
    """Shrink, then grow again, which drops what is too narrow for a disc of this radius."""
    if not pixels:
        return mask
    return _edited(mask, 1, lambda crop: _dilated(_eroded(crop, pixels), pixels))


def closed(mask: Mask, pixels: int) -> Mask:
    """Grow, then shrink again, which fills what is too narrow for a disc of this radius."""
    if not pixels:
        return mask
    # The canvas goes on beyond the image. Cut off at the image's border, what was grown would not
    # shrink away from it again, and an object near the border would be welded to it.
    x0, y0, x1, y1 = mask.box_xyxy
    canvas = mask.crop((x0 - pixels, y0 - pixels, x1 + pixels, y1 + pixels))
    filled = _eroded(_dilated(canvas, pixels), pixels)[pixels:-pixels, pixels:-pixels]
    return Mask.from_crop(filled, (x0, y0), mask.size_hw)


def smoothed(mask: Mask, pixels: int) -> Mask:
    """Keep, or add, the pixels around which there is more mask than background.

    Straight edges stay. Neighbors count by a Gaussian that ends at this radius, which is two of its
    standard deviations.
    """
    return _edited(mask, 1, lambda crop: _majority(crop, pixels)) if pixels else mask


def clipped(mask: Mask, box_xyxy: Box) -> Mask:
    """Drop the pixels that lie outside of the box."""
    box = pixel_box(box_xyxy, mask.size_hw)
    return Mask.from_crop(mask.crop(box), box[:2], mask.size_hw)


def without_overlaps(masks: Sequence[Mask], order: Sequence[int]) -> list[Mask]:
    """Give each pixel to one mask: to the one whose index comes first in `order`."""
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
        box = masks[index].box_xyxy
        crop, taken_in_box = masks[index].crop(), taken[box_slices(box)]
        disjoint[index] = Mask.from_crop(crop & ~taken_in_box, box[:2], masks[index].size_hw)
        taken_in_box |= crop
    return disjoint


def feathered(mask: Mask, pixels: float) -> Matte:
    """Alpha that rises from 0 to 255 across a band of this width, half of it outside of the mask.

    Alpha is 128 or more exactly on the mask. The image's border is no edge.
    """
    box = _box_around(mask, math.ceil(pixels / 2) + 1)
    crop = mask.crop(box)
    alpha = _soft_edge(crop, pixels) if pixels else crop * np.uint8(255)
    return Matte.from_crop(alpha, box[:2], mask.size_hw)


def _box_around(mask: Mask, margin: int) -> IntBox:
    return pixel_box(grow_box(mask.box_xyxy, margin), mask.size_hw)


def _edited(mask: Mask, margin: int, edit: Callable[[Pixels], Pixels]) -> Mask:
    """Edit the pixels in the mask's box and in a margin around it, as far as the image goes.

    Most edits need a margin of 1: it holds the background that is nearest to the mask's edge.
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

    Each pixel knows how many rows `away` the nearest True pixel of its column is. The disc around
    that one reaches sqrt(radius² - away²) to the left and to the right in the pixel's own row, so
    each row of the result is a union of such spans.
    """
    away = _rows_away(crop, radius + 1)
    squares = radius**2 - np.arange(radius + 1) ** 2
    half_widths = np.append(np.sqrt(squares), -1).astype(away.dtype)  # -1: no disc comes here
    reach = half_widths[away]
    column = np.arange(crop.shape[1], dtype=away.dtype)
    from_left = np.maximum.accumulate(column + reach, axis=1) >= column
    from_right = np.minimum.accumulate((column - reach)[:, ::-1], axis=1)[:, ::-1] <= column
    return np.asarray(from_left | from_right)


def _rows_away(crop: Pixels, limit: int) -> NDArray[np.signedinteger]:
    """How many rows up or down the nearest True pixel of the column is, at most `limit`."""
    height = crop.shape[0]
    # Nearly all of the time goes into memory, and numbers of 16 bits are enough for most crops.
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


def _soft_edge(crop: Pixels, width: float) -> NDArray[np.uint8]:
    if crop.all() or not crop.any():  # SciPy's distances are undefined where there is no edge
        return crop * np.uint8(255)
    to_other = ndimage.distance_transform_edt(crop) - ndimage.distance_transform_edt(~crop)
    # The edge lies half a pixel before the center of the nearest pixel of the other side.
    to_edge = to_other - np.copysign(0.5, to_other)
    alpha = np.clip(0.5 + to_edge / width, 0, 1)
    return np.asarray(np.rint(255 * alpha), np.uint8)
