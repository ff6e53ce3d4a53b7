"""Find everything in an image, as SAM's authors do: click on a grid, keep sure and stable masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from premask.annotations import Annotation
from premask.geometry import Box
from premask.models.options import EverythingOptions
from premask.models.parts.mask_logits import Canvas, boxes_around, masks_and_stabilities
from premask.models.parts.off_device import on_host
from premask.models.parts.rivalry import Candidate, Rivalry
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
    different = without_duplicates(
        _undoubted(candidates, canvas, options), options.nms, by=options.nms_by
    )
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
) -> list[list[Candidate]]:
    """The sure ones among the three masks of each click: of a part, a thing, a group of things."""
    logits, scores = decode(clicks)
    (sure,) = on_host(scores.clamp(0, 1))
    places = np.argwhere(sure >= options.min_score)
    chosen = logits[tuple(torch.from_numpy(places.T).to(logits.device))]
    outer, inner = boxes_around(chosen, canvas)
    candidates: list[list[Candidate]] = [[] for _ in clicks]
    for index, (click_index, level) in enumerate(places.tolist()):
        candidates[click_index].append(
            Candidate(
                logits=chosen[index],
                score=float(sure[click_index, level]),
                outer=outer[index],
                inner=inner[index],
            )
        )
    return candidates


def _undoubted(
    candidates: Sequence[Candidate], canvas: Canvas, options: EverythingOptions
) -> list[Annotation]:
    """The candidates that are stable and large enough, in their order.

    To enlarge a mask is what takes the time, and of ten most are of an object that has a better
    one. So the best are enlarged first, and then only what is not surely a duplicate of them.
    """
    rivalry = Rivalry(candidates, options.nms)
    found: dict[int, Annotation] = {}
    # Of masks, less can be said before they are enlarged.
    turn = rivalry.next() if options.nms_by == "box" else list(range(len(candidates)))
    while turn:
        logits = torch.stack([candidates[place].logits for place in turn])
        masks, stabilities = masks_and_stabilities(logits, canvas, STABILITY_OFFSET)
        for place, mask, stability in zip(turn, masks, stabilities.tolist(), strict=True):
            if stability >= options.min_stability and mask.area >= options.min_area:
                found[place] = Annotation(
                    label=LABEL,
                    box_xyxy=mask.box_xyxy,
                    mask=mask,
                    score=candidates[place].score,
                )
        rivalry.tell({place: _box(found.get(place)) for place in turn})
        turn = rivalry.next()
    return [found[place] for place in sorted(found)]


def _box(annotation: Annotation | None) -> Box | None:
    return None if annotation is None else annotation.box_xyxy
