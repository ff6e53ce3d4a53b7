"""Find everything in an image, as SAM's authors do: click on a grid, keep sure and stable masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from premask.annotations import Annotation
from premask.models.options import EverythingOptions
from premask.models.parts.mask_logits import Canvas, mask_and_stability
from premask.models.parts.sam_prompts import ObjectPrompt, click
from premask.models.parts.torch_runtime import FittingSizes, in_batches
from premask.prompts import Hint
from premask.shaping.overlap import without_duplicates
from premask.shaping.select import ordered, score

Decode = Callable[[Sequence[ObjectPrompt]], tuple[torch.Tensor, torch.Tensor]]

LABEL = "object"

STABILITY_OFFSET = 1.0
"""A mask is stable if its edge hardly moves when its threshold does, by so much to either side.

The number is that of SAM's authors.
"""


def find_everything(
    decode: Decode,
    canvas: Canvas,
    options: EverythingOptions,
    clicks_at_once: int,
    fitting: FittingSizes | None = None,
) -> list[Hint]:
    """All objects with their masks, the best one first; `decode` knows the image."""
    clicks = _grid(canvas, options.points_per_side)
    run = partial(_candidates, decode, canvas, options)
    candidates = [
        candidate
        for some in in_batches(run, clicks, clicks_at_once, fitting, "clicks")
        for candidate in some
    ]
    different = without_duplicates(candidates, options.nms, by=options.nms_by)
    return [
        Hint(label=found.label, box_xyxy=found.box_xyxy, mask=found.mask, score=found.score)
        for found in ordered(different, score)
    ]


def _grid(canvas: Canvas, points_per_side: int) -> list[ObjectPrompt]:
    """Clicks in the centers of equal cells, in rows from the top."""
    height, width = canvas.size_hw
    centers = [(cell + 0.5) / points_per_side for cell in range(points_per_side)]
    return [click(x * width, y * height, canvas) for y in centers for x in centers]


def _candidates(
    decode: Decode, canvas: Canvas, options: EverythingOptions, clicks: Sequence[ObjectPrompt]
) -> list[list[Annotation]]:
    """The good ones among the three masks of each click: of a part, a thing, a group of things."""
    logits, scores = decode(clicks)
    scores = scores.clamp(0, 1)
    candidates: list[list[Annotation]] = [[] for _ in clicks]
    for index, level in (scores >= options.min_score).nonzero().tolist():
        mask, stability = mask_and_stability(logits[index, level], canvas, STABILITY_OFFSET)
        if stability >= options.min_stability and mask.area >= options.min_area:
            box_xyxy, confidence = mask.box_xyxy, float(scores[index, level])
            candidates[index].append(
                Annotation(label=LABEL, box_xyxy=box_xyxy, mask=mask, score=confidence)
            )
    return candidates
