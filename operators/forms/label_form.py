"""The form of the operators that label samples, and what they make of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo
from fiftyone.operators import types

from premask.errors import InvalidSetting, PremaskError, UnsupportedPrompt
from premask.labels.formats import FORMATS
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe, built_in_recipes

from ..dataset.chosen_images import images_of
from ..dataset.phrases import Phrases, classes_of
from ..dataset.writing import OUTPUTS, outputs_of, require_fitting
from ..work.existing import POLICIES, SKIP, Policy
from ..work.planning import Job
from .recipe_form import Params, add_recipe, recipe_from_params, refuse, text_choices
from .target_form import add_target

LONG = 100
"""Images for which nobody wants to wait in front of a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What an operator does when it is told nothing else; `files` is one of the core's formats."""

    recipe: str
    write: tuple[str, ...]
    files: str


def add_inputs(inputs: types.Object, ctx: Any, defaults: Defaults) -> None:
    """All that can be chosen, in the order in which people think of it."""
    images = add_target(inputs, ctx, "Label")
    recipe = add_recipe(inputs, ctx.params, _recipes(), defaults.recipe)
    if images is None or recipe is None:
        return
    if recipe.understands_phrases:
        _add_phrases(inputs, ctx)
    _add_output(inputs, ctx, recipe, defaults)
    add_policy(inputs, ctx.params)
    add_storage(inputs, ctx, ctx.params.get("write") or defaults.write)
    _add_export(inputs, defaults)
    if images.count() > LONG and not fo.config.allow_legacy_orchestrators:
        _warn_of_waiting(inputs, images.count())


def job_from_params(ctx: Any, defaults: Defaults) -> Job:
    """What the form, or the call, asks for."""
    params: Params = ctx.params
    recipe = recipe_from_params(params, defaults.recipe)
    field = params.get("label_field") or field_for(recipe)
    return Job(
        dataset=ctx.dataset,
        samples=images_of(ctx),
        recipe=recipe,
        outputs=outputs_of(params.get("write") or defaults.write, field),
        phrases=_phrases(ctx, recipe, field),
        policy=policy_from_params(params),
        masks_on_disk=bool(params.get("masks_on_disk")),
    )


def folder_from_params(ctx: Any) -> Path:
    """Where files go."""
    return Path(ctx.params.get("folder") or default_folder(ctx.dataset))


def default_folder(dataset: Any) -> Path:
    """Below the folder where FiftyOne keeps the files of datasets."""
    return Path(fo.config.default_dataset_dir, dataset.name, "premask")


def field_for(recipe: Recipe) -> str:
    """A field named after the recipe."""
    return re.sub(r"\W", "_", recipe.name)


def is_long(ctx: Any) -> bool:
    """Whether the target is so large that its run should go into the background."""
    try:
        return bool(images_of(ctx).count() > LONG)
    except PremaskError:
        return False


def _recipes() -> list[Recipe]:
    """Those that need nobody to point at things."""
    return [recipe for recipe in built_in_recipes().values() if not recipe.needs_pointing]


def _add_phrases(inputs: types.Object, ctx: Any) -> None:
    inputs.list(
        "phrases",
        types.String(),
        view=text_choices(
            classes_of(ctx.dataset, ctx.params.get("label_field") or ""),
            "What to look for",
            "One or more phrases, such as 'red car'",
        ),
    )
    inputs.str(
        "phrases_field",
        view=text_choices(
            _text_paths(ctx.dataset),
            "Phrases of each sample",
            "A field with texts, such as 'caption', 'tags' or 'ground_truth.detections.label'",
        ),
    )
    inputs.bool(
        "dataset_classes", default=False, label="Look for all classes that the dataset knows, too"
    )


def _phrases(ctx: Any, recipe: Recipe, field: str) -> Phrases:
    params: Params = ctx.params
    texts = tuple(params.get("phrases") or ())
    if params.get("dataset_classes"):
        classes = classes_of(ctx.dataset, field)
        if not classes:
            raise InvalidSetting(
                "The dataset knows no classes. Set them with: dataset.default_classes = [...]; "
                "dataset.save()"
            )
        texts += classes
    phrases = Phrases(texts=texts, field=params.get("phrases_field") or "")
    if phrases and not recipe.understands_phrases:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' can't be told what to look for. Leave the phrases away, "
            "or use a recipe that finds what you name."
        )
    if not phrases.field:
        require_usable_prompts(recipe, phrases.shared)
    return phrases


def _add_output(inputs: types.Object, ctx: Any, recipe: Recipe, defaults: Defaults) -> None:
    view = types.DropdownView(label="What to write", multiple=True)
    for each in OUTPUTS.values():
        view.add_choice(each.name, label=each.name, description=each.help)
    write = inputs.list("write", types.String(), default=list(defaults.write), view=view)
    schema = ctx.dataset.get_field_schema(embedded_doc_type=fo.Label)
    chosen = inputs.str(
        "label_field",
        default=field_for(recipe),
        view=text_choices(list(schema), "Field", "A new one, or one that has labels already"),
    )
    try:
        field = ctx.params.get("label_field") or field_for(recipe)
        outputs = outputs_of(ctx.params.get("write") or defaults.write, field)
    except PremaskError as error:
        return refuse(write, error)
    try:
        require_fitting(ctx.dataset, outputs)
    except PremaskError as error:
        return refuse(chosen, error)
    chosen.view.caption = "Writes " + ", ".join(f"{o.name} to '{f}'" for f, o in outputs.items())


def add_policy(inputs: types.Object, params: Params) -> None:
    """What to do where labels are already."""
    view = types.RadioGroup(label="Where the field has labels already")
    for name, words in POLICIES.items():
        view.add_choice(name, label=words)
    inputs.enum("existing", view.values(), default=SKIP, view=view)
    if params.get("existing", SKIP) != SKIP:
        inputs.float(
            "overlap",
            min=0,
            max=1,
            default=Policy().overlap,
            label="Same object",
            description="what overlaps by more than this (IoU) is the same object",
        )


def policy_from_params(params: Params) -> Policy:
    """What the form, or the call, says about labels that are there already."""
    name, overlap = params.get("existing") or SKIP, params.get("overlap")
    if name not in POLICIES:
        raise InvalidSetting(f"existing must be one of {', '.join(POLICIES)}; got {name!r}.")
    return Policy(name=name) if overlap is None else Policy(name=name, overlap=overlap)


def add_storage(inputs: types.Object, ctx: Any, write: Sequence[str]) -> None:
    """Whether masks go to disk, and where files go."""
    if "detections" in write:
        inputs.bool(
            "masks_on_disk",
            default=False,
            label="Keep the masks of detections on disk",
            description="as PNG files instead of in the database",
        )
    if ctx.params.get("masks_on_disk") or {"segmentation", "heatmap"} & set(write):
        # A document of MongoDB holds 16 MB at most: one float map of 2,200 x 2,200 is more.
        inputs.str(
            "folder",
            default=str(default_folder(ctx.dataset)),
            label="Folder for files",
            description="Each run makes a folder of its own in it",
        )


def _add_export(inputs: types.Object, defaults: Defaults) -> None:
    inputs.str(
        "export_folder",
        label=f"Write files, too ({defaults.files})",
        description=f"A folder for: {FORMATS[defaults.files].help}. None if empty",
    )


def _warn_of_waiting(inputs: types.Object, count: int) -> None:
    inputs.view(
        "waiting",
        types.Notice(
            label=f"{count:,} images: this form stays open until all are done",
            description="Runs in the background can be scheduled when the App is started with "
            "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true, and `fiftyone delegated launch` is running.",
        ),
    )


def _text_paths(dataset: Any) -> Sequence[str]:
    """Fields with texts, and the classes of labels."""
    schema = dataset.get_field_schema(ftype=(fo.StringField, fo.ListField), flat=True)
    internal = ("filepath", "metadata.", "id")
    return [path for path in schema if not path.startswith(internal) and "premask" not in path]
