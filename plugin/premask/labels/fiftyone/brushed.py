"""Masks that FiftyOne's brush has made coarse get back the pixels that nobody painted.

The brush of FiftyOne 1.22 paints on the grid of the screen, whatever the zoom: one stroke, and all
of the mask has as many pixels as the object had on the screen. What the mask was before tells where
a person has painted, and what all the rest looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from premask.geometry import Box
from premask.labels.fiftyone.fields import stretched
from premask.masks import Mask

ORIGINAL = "premask_mask"
"""The attribute with a label's mask as it was written, as COCO RLE of the whole image."""

_MOST_LETTERS = 100_000
"""A longer RLE is left out: the documents of all labels of an image have 16 MB of room together."""

Pixels = NDArray[np.bool_]
Cells = NDArray[np.int64]


def original_of(mask: Mask | None) -> dict[str, Any]:
    """The attribute that a label of this mask is written with, if any.

    For masks in the database only: on disk are those for which it has no room.
    """
    if mask is None or len(mask.counts) > _MOST_LETTERS:
        return {}
    return {ORIGINAL: mask.rle}


def unbrushed(painted: Pixels, box_xyxy: Box, original: Mask) -> Mask | None:
    """The mask that a person painted, with the original's pixels where nobody did.

    `painted` (h, w) has cells of another size than the image's pixels, and fills the box. None if
    it does not lie over the original: then the label was moved, or is another one.
    """
    x0, y0, x1, y1 = box_xyxy
    cell = np.array([y1 - y0, x1 - x0]) / painted.shape
    if original.area == 0 or not (cell > 0).all():
        return None
    shown, shown_at = _on_screen(original, cell)
    painted_at = np.rint(np.array([y0, x0]) / cell).astype(np.int64)
    first = np.minimum(painted_at, shown_at)
    last = np.maximum(painted_at + painted.shape, shown_at + shown.shape)
    theirs = _laid(painted, painted_at - first, last - first)
    before = _laid(shown, shown_at - first, last - first)
    if _is_moved(before, theirs):
        return None
    # Where the stroke meets the old edge, what is thinner than a cell would leave a seam.
    changed = _grown(_grown(theirs != before))
    box, (height, width) = original.box_xyxy, original.size_hw
    top, rows = _cells_of_pixels(first[0], last[0], cell[0], (box[1], box[3]), height)
    left, columns = _cells_of_pixels(first[1], last[1], cell[1], (box[0], box[2]), width)
    place = np.ix_(rows, columns)
    kept = original.crop((left, top, left + len(columns), top + len(rows)))
    pixels: Pixels = np.where(changed[place], theirs[place], kept)
    return Mask.from_crop(pixels, (left, top), original.size_hw)


def _on_screen(original: Mask, cell: NDArray[np.float64]) -> tuple[Pixels, Cells]:
    """The original as the brush begins with it, and where it lies among the cells (row, column)."""
    x0, y0, x1, y1 = original.box_xyxy
    height, width = np.maximum(np.rint(np.array([y1 - y0, x1 - x0]) / cell), 1).astype(int)
    at = np.rint(np.array([y0, x0]) / cell).astype(np.int64)
    return stretched(original.crop(), (int(height), int(width))), at


def _laid(cells: Pixels, at: Cells, shape: Sequence[int] | Cells) -> Pixels:
    """Cells on an empty grid of this shape."""
    grid = np.zeros(tuple(int(side) for side in shape), np.bool_)
    (top, left), (height, width) = (int(at[0]), int(at[1])), cells.shape
    grid[top : top + height, left : left + width] = cells
    return grid


def _is_moved(before: Pixels, after: Pixels) -> bool:
    """Whether one cell further in some direction, what was before fits better."""
    padded = np.pad(before, 1)
    height, width = before.shape
    errors = {
        (y, x): int((padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] != after).sum())
        for y, x in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
    }
    return min(errors.values()) < errors[0, 0]


def _grown(cells: Pixels) -> Pixels:
    """These cells and all that touch them."""
    padded = np.pad(cells, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    grown: Pixels = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return grown


def _cells_of_pixels(
    first: int, last: int, cell: float, span: tuple[int, int], length: int
) -> tuple[int, Cells]:
    """The first pixel of those in cells `first` to `last` or in the span, and the cell of each.

    The screen's cells may end before the original does: its last pixels belong to the last cell.
    """
    start = max(min(span[0], math.ceil(first * cell - 0.5)), 0)
    stop = min(max(span[1], math.ceil(last * cell - 0.5)), length)
    cells = np.floor((np.arange(start, stop) + 0.5) / cell).astype(np.int64)
    return start, np.clip(cells, first, last - 1) - first
