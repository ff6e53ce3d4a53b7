"""Functions on boxes: x0, y0, x1, y1 in pixels of the image, upper bounds exclusive."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
IntBox = tuple[int, int, int, int]

MAX_PIXELS = 2**28
"""The largest image, and the largest mask, that premask works on (16,384 x 16,384)."""


def box_area(box_xyxy: Box) -> float:
    """Area in square pixels; 0 for a box that is turned inside out."""
    x0, y0, x1, y1 = box_xyxy
    return max(0.0, x1 - x0) * max(0.0, y1 - y0)


def clip_box(box_xyxy: Box, size_hw: tuple[int, int]) -> Box:
    """The part of the box that lies on the image."""
    height, width = size_hw
    x0, y0, x1, y1 = box_xyxy
    return (
        min(max(x0, 0.0), width),
        min(max(y0, 0.0), height),
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
    )


def grow_box(box_xyxy: Box, pixels: float) -> Box:
    x0, y0, x1, y1 = box_xyxy
    return x0 - pixels, y0 - pixels, x1 + pixels, y1 + pixels


def moved_box(box_xyxy: IntBox, x: int, y: int) -> IntBox:
    x0, y0, x1, y1 = box_xyxy
    return x0 + x, y0 + y, x1 + x, y1 + y


def hull(boxes_xyxy: Iterable[IntBox]) -> IntBox:
    """The smallest box that holds all of these that are not empty; all 0 if there are none."""
    filled = [box for box in boxes_xyxy if box[0] < box[2] and box[1] < box[3]]
    if not filled:
        return 0, 0, 0, 0
    left, top, right, bottom = zip(*filled, strict=True)
    return min(left), min(top), max(right), max(bottom)


def pixel_box(box_xyxy: Box, size_hw: tuple[int, int]) -> IntBox:
    """The smallest box of whole pixels on the image that holds this one."""
    x0, y0, x1, y1 = clip_box(box_xyxy, size_hw)
    return int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1))


def holds_center(box_xyxy: Box, other_xyxy: Box) -> bool:
    """Whether the other box's center is in this one."""
    (x0, y0, x1, y1), (a0, b0, a1, b1) = box_xyxy, other_xyxy
    return x0 <= (a0 + a1) / 2 <= x1 and y0 <= (b0 + b1) / 2 <= y1


def pixels_of_percent(
    percent_xy: tuple[float, float], size_hw: tuple[int, int]
) -> tuple[float, float]:
    """A point in percent of the width and of the height, in pixels.

    >>> pixels_of_percent((50, 25), (480, 640))
    (320.0, 120.0)
    """
    height, width = size_hw
    x, y = percent_xy
    return x * width / 100, y * height / 100


def snapped(value: float) -> float:
    """The nearest whole number if only a rounding error is between, else the value itself.

    >>> snapped(6.9999999), snapped(6.95)
    (7.0, 6.95)
    """
    nearest = float(round(value))
    return nearest if abs(value - nearest) < 1e-6 else value


def box_slices(box_xyxy: IntBox) -> tuple[slice, slice]:
    """Index of the box in an array of (height, width).

    >>> box_slices((1, 2, 5, 4))
    (slice(2, 4, None), slice(1, 5, None))
    """
    x0, y0, x1, y1 = box_xyxy
    return slice(y0, y1), slice(x0, x1)


def shared_areas(
    box_xyxy: NDArray[np.float64], others_xyxy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Areas (n,), in square pixels, that one box (4,) has in common with n others (n, 4)."""
    corner = np.maximum(box_xyxy[:2], others_xyxy[:, :2])
    opposite = np.minimum(box_xyxy[2:], others_xyxy[:, 2:])
    return np.asarray(np.clip(opposite - corner, 0, None).prod(axis=1))
