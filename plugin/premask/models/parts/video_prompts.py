"""Hints -> what the video models take where somebody points at an object: clicks, or a mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812

from premask.masks import Mask
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.sam_prompts import ObjectPrompt, checked_mask, prompt_of
from premask.prompts import Hint

CORNERS = (2, 3)
"""A box is two points; these labels mark its first and its second corner."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoPrompt:
    """Points (1, 1, k, 2) with labels (1, 1, k), and logits (1, 1, h, w) of what may be refined.

    Or a `mask` (1, 1, side, side) of 0 and 1, which needs no refining.
    """

    points: torch.Tensor
    labels: torch.Tensor
    rough: torch.Tensor | None = None
    mask: torch.Tensor | None = None


def video_prompt_of(hint: Hint, canvas: Canvas, low_side: int) -> VideoPrompt | None:
    """The prompt for a hint; None where its box covers no pixel of the image.

    A mask is taken as it is, an empty one, too: the object is not there. With clicks that go with
    it, it is a rough one.
    """
    if hint.mask is not None and not hint.points:
        checked_mask(hint, canvas)
        return _given(hint.mask, canvas.side)
    prompt = prompt_of(hint, canvas, low_side)
    return None if prompt is None else _clicked(prompt)


def _given(mask: Mask, side: int) -> VideoPrompt:
    pixels = torch.from_numpy(mask.to_array()).float()[None, None]
    if pixels.shape[-2:] != (side, side):
        pixels = F.interpolate(
            pixels, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
        pixels = (pixels >= 0.5).float()
    return VideoPrompt(points=torch.empty(1, 1, 0, 2), labels=torch.empty(1, 1, 0), mask=pixels)


def _clicked(prompt: ObjectPrompt) -> VideoPrompt:
    points, labels = list(prompt.points_xy), list(prompt.labels)
    if prompt.box_xyxy is not None:
        x0, y0, x1, y1 = prompt.box_xyxy
        points, labels = [(x0, y0), (x1, y1), *points], [*CORNERS, *labels]
    return VideoPrompt(
        points=torch.tensor([[points]], dtype=torch.float32),
        labels=torch.tensor([[labels]], dtype=torch.int32),
        rough=None if prompt.rough is None else prompt.rough[None, None],
    )
