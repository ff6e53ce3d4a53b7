"""The smallest rectangle around a mask, turned as that needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from premask.masks import Mask

Points = NDArray[np.float64]
"""Rows of x, y (n, 2)."""


def smallest_box(mask: Mask) -> tuple[tuple[float, float], tuple[float, float], float]:
    """A corner (x, y), the width and the height, and the turn in degrees, in pixels.

    The turn is clockwise around that corner, by at most 45 degrees to either side, and counted
    from 0 to 360. The mask must not be empty.
    """
    outline = _convex_outline(mask)
    # One side of the smallest rectangle lies on a side of the convex outline. Upright comes first,
    # so that nothing is turned that isn't smaller for it.
    sides = np.diff(outline, axis=0, append=outline[:1])
    turns = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    degrees = np.concatenate(([0.0], (turns + 45) % 90 - 45))
    radians = np.radians(degrees)
    across = np.stack((np.cos(radians), np.sin(radians)))
    down = np.stack((-across[1], across[0]))
    along, aside = outline @ across, outline @ down
    widths, heights = np.ptp(along, axis=0), np.ptp(aside, axis=0)
    best = int(np.round(widths * heights, 6).argmin())
    corner = along[:, best].min() * across[:, best] + aside[:, best].min() * down[:, best]
    return (
        (float(corner[0]), float(corner[1])),
        (float(widths[best]), float(heights[best])),
        float(degrees[best] % 360),
    )


def _convex_outline(mask: Mask) -> Points:
    """The corners of the smallest convex shape that holds all pixels of the mask."""
    x, y, _, _ = mask.box_xyxy
    crop = mask.crop()
    rows = np.flatnonzero(crop.any(axis=1))
    left = crop[rows].argmax(axis=1)
    right = crop.shape[1] - crop[rows][:, ::-1].argmax(axis=1)
    tops = np.repeat(rows, 2), np.repeat(rows + 1, 2)
    sides = np.stack((left, right), axis=1).ravel()
    corners = np.unique(np.stack((np.tile(sides, 2), np.concatenate(tops)), axis=1), axis=0)
    half = _turning_left(corners)
    other = _turning_left(corners[::-1])
    return np.concatenate((half[:-1], other[:-1])) + np.array((x, y), np.float64)


def _turning_left(corners: NDArray[np.int64]) -> Points:
    """Those of the sorted corners at which the way from the first to the last turns one way."""
    way: list[tuple[int, int]] = []
    for x, y in corners.tolist():
        while len(way) > 1 and _turn(way[-2], way[-1], (x, y)) <= 0:
            way.pop()
        way.append((x, y))
    return np.array(way, np.float64)


def _turn(start: tuple[int, int], corner: tuple[int, int], end: tuple[int, int]) -> int:
    """Positive where the way turns to one side, negative where it turns to the other."""
    return (corner[0] - start[0]) * (end[1] - start[1]) - (corner[1] - start[1]) * (
        end[0] - start[0]
    )
