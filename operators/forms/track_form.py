"""The form of *Track objects*, and the job that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from premask.errors import InvalidSetting, PremaskError
from premask.prompts import Phrase, Prompts
from premask.recipes.recipe import Recipe, clip_recipes
from premask.recipes.tracking.pointing import require_trackable

from ..dataset.chosen_clips import ChosenClips, clips_of
from ..dataset.phrases import classes_of
from ..dataset.reading import readable_fields, readable_frame_fields
from ..dataset.schema import FRAMES
from ..dataset.source_labels import HINTS
from ..dataset.writing import require_fitting
from ..work.track_job import TrackJob
from .fields import refuse
from .parameters import ParameterForm, parameter, read
from .recipe_form import add_recipe, download_parameter, recipe_from_params
from .storage_form import StorageParameters, add_storage
from .target_form import add_target

_RECIPE = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackParameters(StorageParameters):
    """What to follow, and how; None stands for what depends on the recipe."""

    recipe: str = parameter(_RECIPE, "Recipe")
    settings: Mapping[str, Any] | None = None
    download: bool = download_parameter()
    prompt_field: str | None = parameter(
        None,
        "What to follow",
        "A field of frames with boxes, points or masks in any frames. If it is empty, the recipe "
        "finds what to follow",
    )
    phrases: tuple[str, ...] = parameter(
        (), "What to look for", "One or more phrases, such as 'red car'"
    )
    label_field: str | None = parameter(
        None,
        "Field",
        "A field of frames. Where a person has labels in it, these stay, and are followed to the "
        "next ones",
    )


def add_inputs(form: ParameterForm, ctx: Any) -> None:
    """Draw all parameters, in the order in which people think of them."""
    clips = add_target(form.inputs, ctx, "Track objects in", clips_of)
    recipe = add_recipe(form.inputs, ctx.params, list(clip_recipes().values()), _RECIPE)
    if clips is None or recipe is None:
        return
    prompts = form.add("prompt_field", choices=prompt_fields(clips))
    if recipe.understands_phrases:
        form.add("phrases", suggestions=classes_of(ctx.dataset, ""))
    chosen = form.add("label_field", default=_default_field(recipe), suggestions=clips.schema())
    job = _described(ctx, recipe, clips)
    for field, check in ((chosen, _require_fitting), (prompts, _require_usable)):
        try:
            check(job)
        except PremaskError as error:
            refuse(field, error)
    add_storage(form, ctx.dataset, ["detections"])


def job_from_params(ctx: Any) -> TrackJob:
    """Make a job of what the form, or the call, gives."""
    job = _described(ctx, recipe_from_params(ctx.params, _RECIPE), clips_of(ctx))
    _require_usable(job)
    return job


def _described(ctx: Any, recipe: Recipe, clips: ChosenClips) -> TrackJob:
    parameters = read(TrackParameters, ctx.params)
    return TrackJob(
        clips=clips,
        recipe=recipe,
        field=(parameters.label_field or _default_field(recipe)).removeprefix(FRAMES),
        prompt_field=(parameters.prompt_field or "").removeprefix(FRAMES) or None,
        phrases=tuple(Phrase(text=text) for text in parameters.phrases),
        masks_on_disk=parameters.masks_on_disk,
    )


def prompt_fields(clips: ChosenClips) -> dict[str, str]:
    """The fields of frames whose labels say where objects are, and their types."""
    read_fields = readable_frame_fields if clips.in_videos else readable_fields
    return {
        path.removeprefix(FRAMES): kind
        for path, kind in read_fields(clips.dataset).items()
        if kind in HINTS
    }


def _default_field(recipe: Recipe) -> str:
    return re.sub(r"\W", "_", recipe.name)


def _require_fitting(job: TrackJob) -> None:
    require_fitting(job.dataset, job.outputs)


def _require_usable(job: TrackJob) -> None:
    """Refuse what no clip can be gone through with."""
    known = prompt_fields(job.clips)
    if job.prompt_field is not None and job.prompt_field not in known:
        raise InvalidSetting(
            f"The frames have no field '{job.prompt_field}' with boxes, points or masks. They "
            f"have: {', '.join(known) or 'none'}."
        )
    if job.recipe.track is None:
        require_trackable(job.recipe, {})
    is_pointed_at = job.prompt_field is not None or job.field in known
    if job.recipe.needs_pointing and not is_pointed_at:
        raise InvalidSetting(
            f"The recipe '{job.recipe.name}' follows what you point at. Choose a field of frames "
            "with boxes, points or masks (prompt_field)."
        )
    if not is_pointed_at:
        require_trackable(job.recipe, {0: Prompts(phrases=job.phrases)})
