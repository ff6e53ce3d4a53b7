"""What a plan asks for in each of its images, and the files that keep it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from premask.deep_values import Window
from premask.masks import Mask
from premask.prompts import BoxPrompt, Exemplar, Hint, Phrase, Point, Prompts
from premask.recipes.code_version import code_version
from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJob:
    """A recipe with its settings, what to look for, and how values of more than 8 bits are seen.

    Of clips, at most `fps` frames of a second are looked at; 0 is all of them.
    `allowed_hosts` are servers of the person's own that images may come from; they and `batch_size`
    change no result.
    """

    recipe: Recipe
    prompts: Prompts = Prompts()
    window: Window | None = None
    fps: float = 0.0
    allowed_hosts: tuple[str, ...] = ()
    batch_size: int | None = None

    @property
    def is_for_clips(self) -> bool:
        """Whether it follows objects through clips, which are planned in the place of images."""
        return self.recipe.track is not None

    @property
    def fingerprint(self) -> str:
        """A name for all that decides results, beside the images: the code that computes, too."""
        decisive = code_version(for_clips=self.is_for_clips), self.window, self.fps
        return WorkKeys(self.recipe).key(self.prompts, *decisive)


def job_to_json(job: PlanJob) -> Json:
    """All of it but the recipe, which is kept as people write recipes."""
    return {
        "recipe": job.recipe.name,
        "prompts": json.loads(json.dumps(job.prompts, default=_plain)),
        "window": job.window,
        "fps": job.fps,
        "allowed_hosts": list(job.allowed_hosts),
        "batch_size": job.batch_size,
    }


def job_from_json(record: Mapping[str, Any], recipe: Recipe) -> PlanJob:
    """Undo `job_to_json`."""
    window = record["window"]
    return PlanJob(
        recipe=recipe,
        prompts=_prompts(record["prompts"]),
        window=None if window is None else (float(window[0]), float(window[1])),
        fps=float(record["fps"]),
        allowed_hosts=tuple(record["allowed_hosts"]),
        batch_size=record["batch_size"],
    )


def _plain(value: object) -> Any:
    if isinstance(value, Mask):
        return value.rle
    assert dataclasses.is_dataclass(value)
    return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}


def _prompts(record: Json) -> Prompts:
    return Prompts(
        phrases=tuple(Phrase(**phrase) for phrase in record["phrases"]),
        points=tuple(Point(**point) for point in record["points"]),
        boxes=tuple(BoxPrompt(**_boxed(box)) for box in record["boxes"]),
        mask=_mask(record["mask"]),
        mask_label=record["mask_label"],
        exemplars=tuple(Exemplar(**_boxed(exemplar)) for exemplar in record["exemplars"]),
        objects=tuple(_hint(hint) for hint in record["objects"]),
    )


def _hint(record: Json) -> Hint:
    return Hint(
        **{
            **_boxed(record),
            "points": tuple(Point(**point) for point in record["points"]),
            "mask": _mask(record["mask"]),
            "source": tuple(record["source"]),
        }
    )


def _boxed(record: Json) -> Json:
    box = record["box_xyxy"]
    return {**record, "box_xyxy": None if box is None else tuple(box)}


def _mask(record: Json | None) -> Mask | None:
    return None if record is None else Mask.from_rle(record)
