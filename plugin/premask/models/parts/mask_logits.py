"""Masks <-> the low-resolution logits that SAM and its relatives take and give instead of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from premask.masks import Mask, Size

Steps = tuple[tuple[int, int], ...]

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


def mask_from_logits(logits: torch.Tensor, canvas: Canvas) -> Mask:
    """The pixels of the image above 0, from low-resolution logits (h, w) of float32."""
    crop, xy = _enlarged(logits, canvas, above=0)
    return Mask.from_crop((crop > 0).cpu().numpy(), xy, canvas.size_hw)


def mask_and_stability(logits: torch.Tensor, canvas: Canvas, offset: float) -> tuple[Mask, float]:
    """The same mask, and the area above `offset` as a share of the area above `-offset`."""
    crop, xy = _enlarged(logits, canvas, above=-offset)
    values = crop.cpu().numpy()  # numpy counts several times faster than torch does
    surely, possibly = (np.count_nonzero(values > level) for level in (offset, -offset))
    mask = Mask.from_crop(values > 0, xy, canvas.size_hw)
    return mask, surely / max(1, possibly)


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
    logits: torch.Tensor, canvas: Canvas, above: float
) -> tuple[torch.Tensor, tuple[int, int]]:
    """Logits of the part of the image that may lie above a level, and its corner (x, y).

    Only that part is computed: a bilinear value is never above all that it is made of.
    """
    high = logits > above
    down, across = canvas.steps(0), canvas.steps(1)
    top, bottom = _reached(high.any(1), down)
    left, right = _reached(high.any(0), across)
    if top >= bottom or left >= right:
        return logits.new_empty(0, 0), (0, 0)
    wide = _stretched(logits.T, across)[left:right]
    return _stretched(wide.T, down)[top:bottom], (left, top)


def _stretched(rows: torch.Tensor, steps: Steps) -> torch.Tensor:
    """Rows (m, n) at the image's size, by the very steps in which transformers resizes masks."""
    for length, kept in steps:
        size = (length, rows.shape[1])
        resized = F.interpolate(rows[None, None], size, mode="bilinear", align_corners=False)
        rows = resized[0, 0, :kept]
    return rows


def _reached(wanted: torch.Tensor, steps: Steps) -> tuple[int, int]:
    """The first row of the image that wanted rows (m) reach, and the one behind the last."""
    places = wanted.nonzero()[:, 0].tolist()
    if not places:
        return 0, 0
    start, stop, source = places[0] + 0.5, places[-1] + 0.5, len(wanted)
    for length, kept in steps:
        # In bilinear enlarging a row contributes to those whose centers are less than one of its
        # heights away.
        start, stop = (start - 1) * length / source, (stop + 1) * length / source
        source = kept
    return max(0, math.floor(start)), min(math.ceil(stop), source)
