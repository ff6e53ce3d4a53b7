"""Masks <-> the low-resolution logits that SAM and its relatives take and give instead of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from premask.masks import Mask, Size
from premask.models.parts.mask_edges import Steps, edges_from_logits, reached
from premask.models.parts.off_device import (
    Crop,
    above,
    any_along,
    count,
    masks_on_host,
    of_host,
    on_host,
    span,
)

Boxes = NDArray[np.float64]

# SAM 2 turns a mask into logits as 20 * mask - 10: nearly certain on both sides.
CERTAIN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """How an image lies in the square of `side` pixels that a network sees.

    It is stretched to all of the square, or covers `covered_hw` of it from the upper left corner.
    """

    side: int
    size_hw: Size
    covered_hw: Size | None = None

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the square for one of the image."""
        height, width = self.covered_hw or (self.side, self.side)
        return width / self.size_hw[1], height / self.size_hw[0]

    def steps(self, axis: int) -> Steps:
        """How a mask gets the image's height (axis 0) or width (axis 1).

        Each step enlarges it to so many pixels, and keeps so many of them: an image with padding
        goes to the square's size, where the padding is cut off, and from there to its own.
        """
        size = self.size_hw[axis]
        if self.covered_hw is None:
            return ((size, size),)
        return (self.side, self.covered_hw[axis]), (size, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """What becomes of the height or the width: of `covered` places, `size` pixels.

    Of the places, `pairs` of neighbors lie wholly in the image. `margin` is how much of a place's
    size the first of two steps leaves unsaid on each side.
    """

    steps: Steps
    size: int
    covered: float
    margin: float

    @classmethod
    def of(cls, canvas: Canvas, axis: int, low_side: int) -> _Axis:
        covered, margin = float(low_side), 0.0
        if canvas.covered_hw is not None:
            covered = low_side * canvas.covered_hw[axis] / canvas.side
            margin = low_side / canvas.side
        return cls(
            steps=canvas.steps(axis), size=canvas.size_hw[axis], covered=covered, margin=margin
        )

    @property
    def pairs(self) -> int:
        return max(0, math.floor(self.covered - 0.5))

    @property
    def shows_pairs(self) -> bool:
        """Whether each pair becomes at least one pixel."""
        return (1 - 2 * self.margin) * self.size / self.covered >= 1

    def filled(self, solid: NDArray[np.bool_]) -> tuple[int, int]:
        """The first and the end of the pixels that pairs (n,) surely fill, if there are any."""
        first, end = span(solid)
        scale = self.size / self.covered
        if first == end:
            return self.size, 0
        start = math.floor((first + 1.5 - self.margin) * scale - 0.5)
        stop = math.ceil((end - 0.5 + self.margin) * scale + 0.5)
        return start, stop


def masks_from_logits(logits: torch.Tensor, canvases: Sequence[Canvas]) -> list[Mask]:
    """The pixels of each image above 0, from low-resolution logits (n, h, w) of float32.

    They leave the device in one copy, however many they are, as they are small.
    """
    (values,) = on_host(logits)
    return [_mask(of_one, canvas) for of_one, canvas in zip(values, canvases, strict=True)]


def _mask(logits: NDArray[np.float32], canvas: Canvas) -> Mask:
    edges = edges_from_logits(logits, canvas.steps(0), canvas.steps(1))
    if edges is not None:
        return Mask.from_edges(edges, canvas.size_hw)
    high = logits > 0
    rows, columns = np.asarray(high.any(axis=1)), np.asarray(high.any(axis=0))
    crop, xy = _enlarged(torch.from_numpy(logits), rows, columns, canvas)
    return Mask.from_crop(of_host(above(crop, 0)), xy, canvas.size_hw)


def masks_and_stabilities(
    logits: torch.Tensor, canvas: Canvas, offset: float
) -> tuple[list[Mask], NDArray[np.float64]]:
    """The same masks, and the areas (n,) above `offset` as shares of those above `-offset`."""
    counts = []
    possible = above(logits, -offset)
    rows, columns = on_host(any_along(possible, 2), any_along(possible, 1))

    def crops() -> Iterator[Crop]:
        for index, of_one in enumerate(logits):
            crop, xy = _enlarged(of_one, rows[index], columns[index], canvas)
            counts.append(torch.stack([count(above(crop, level)) for level in (offset, -offset)]))
            yield above(crop, 0), xy, canvas.size_hw

    masks = list(masks_on_host(crops()))
    if not masks:
        return [], np.zeros(0)
    surely, possibly = on_host(torch.stack(counts, dim=1))[0]
    return masks, surely / np.maximum(1, possibly)


def boxes_around(logits: torch.Tensor, canvas: Canvas) -> tuple[Boxes, Boxes]:
    """Bounds for the boxes of the masks, two times (n, 4), before any logits are enlarged.

    A mask's box lies in the outer one. It holds the inner one, which is turned inside out where
    nothing can be said. Both hold for certain: what lies between four places that are all above 0
    is above 0, too.
    """
    high = above(logits, 0)
    solid = high[:, :-1] & high[:, 1:]
    solid = solid[:, :, :-1] & solid[:, :, 1:]
    down, across = (_Axis.of(canvas, axis, logits.shape[-1]) for axis in (0, 1))
    # What reaches into the padding says nothing of the image.
    solid = solid[:, : down.pairs, : across.pairs]
    if not (down.shows_pairs and across.shows_pairs):
        solid = torch.zeros_like(solid)
    rows, columns, solid_rows, solid_columns = on_host(
        *(any_along(flags, axis) for flags in (high, solid) for axis in (2, 1))
    )
    outer, inner = [], []
    for index in range(len(logits)):
        top, bottom = reached(rows[index], down.steps)
        left, right = reached(columns[index], across.steps)
        outer.append((left, top, right, bottom))
        (x0, x1), (y0, y1) = across.filled(solid_columns[index]), down.filled(solid_rows[index])
        inner.append((x0, y0, x1, y1))
    return (
        np.array(outer, np.float64).reshape(-1, 4),
        np.array(inner, np.float64).reshape(-1, 4),
    )


def logits_from_mask(mask: Mask, canvas: Canvas, low_side: int) -> torch.Tensor:
    """Low-resolution logits (low_side, low_side) of float32; padding is surely not in the mask."""
    pixels = torch.from_numpy(mask.to_array()).float()[None, None]
    if canvas.covered_hw is not None:
        height, width = canvas.covered_hw
        pixels = _shrunk(pixels, canvas.covered_hw)
        pixels = F.pad(pixels, (0, canvas.side - width, 0, canvas.side - height))
    return (2 * _shrunk(pixels, (low_side, low_side))[0, 0] - 1) * CERTAIN


def _shrunk(pixels: torch.Tensor, size_hw: Size) -> torch.Tensor:
    return F.interpolate(pixels, size_hw, mode="bilinear", antialias=True)


def _enlarged(
    logits: torch.Tensor, rows: NDArray[np.bool_], columns: NDArray[np.bool_], canvas: Canvas
) -> tuple[torch.Tensor, tuple[int, int]]:
    """Logits of the part of an image that wanted rows and columns reach, and its corner (x, y).

    The others are below a level; so is what only they reach, as a bilinear value is never above all
    that it is made of.
    """
    down, across = canvas.steps(0), canvas.steps(1)
    (top, bottom), (left, right) = reached(rows, down), reached(columns, across)
    if top >= bottom or left >= right:
        return logits.new_empty(0, 0), (0, 0)
    # Only rows near those that are high enough make a difference: the others may stay 0.
    near = _near(rows)
    wide = logits.new_zeros(right - left, len(rows))
    wide[:, near] = _stretched(logits[near], across)[:, left:right].T
    return _stretched(wide, down)[:, top:bottom].T, (left, top)


def _near(wanted: NDArray[np.bool_]) -> slice:
    """The places (m,) that decide what is enlarged from the wanted ones, by two steps at most."""
    first, end = span(wanted)
    return slice(max(0, first - 3), end + 3)


def _stretched(rows: torch.Tensor, steps: Steps) -> torch.Tensor:
    """Rows (n, m) as long as the image, by the very steps in which transformers resizes masks.

    It gives the same bits in one dimension as in two, and takes half the time.
    """
    for length, kept in steps:
        rows = F.interpolate(rows[:, None], length, mode="linear", align_corners=False)[:, 0, :kept]
    return rows
