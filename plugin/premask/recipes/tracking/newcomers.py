"""What find sees in a frame, and which of it nobody follows yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from premask.annotations import Annotation
from premask.geometry import Box, box_area
from premask.images import Image
from premask.masks import Mask
from premask.models.pool import ModelPool
from premask.prompts import Hint, Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stages import run_stages
from premask.shaping.refine import Refine


def look(image: Image, words: Prompts, recipe: Recipe, pool: ModelPool) -> list[Hint]:
    """The objects that the find, outline and select stages see in a frame, the surest first."""
    still = replace(recipe, track=None, matte=None, refine=Refine())
    (found,) = run_stages([image], [words], still, pool)
    hints = [_hint(annotation) for annotation in found]
    return sorted(hints, key=lambda hint: -(hint.score if hint.score is not None else 1.0))


def unknown(hints: Iterable[Hint], followed: Mapping[int, Mask], join: float) -> list[Hint]:
    """Those of the hints that are none of the objects that are followed."""
    known = [mask for mask in followed.values() if mask.area]
    return [hint for hint in hints if all(overlap(hint, mask) < join for mask in known)]


def overlap(hint: Hint, mask: Mask) -> float:
    """The IoU of the masks, or of their boxes where only a box was found."""
    if hint.mask is not None:
        return hint.mask.iou(mask)
    return 0.0 if hint.box_xyxy is None else _box_iou(hint.box_xyxy, mask.box_xyxy)


def _box_iou(one: Box, other: Box) -> float:
    both = box_area(
        (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    )
    return both / max(1e-9, box_area(one) + box_area(other) - both)


def _hint(annotation: Annotation) -> Hint:
    return Hint(
        label=annotation.label,
        box_xyxy=annotation.box_xyxy,
        mask=annotation.mask,
        score=annotation.score,
        source=annotation.source,
    )
