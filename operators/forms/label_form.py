"""The form of the operators that label samples, and the job that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from fiftyone.operators import types

from premask.errors import InvalidSetting, PremaskError, UnsupportedPrompt
from premask.labels.formats import FORMATS
from premask.models.weights.installed import located_weights
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe, built_in_recipes

from ..dataset.chosen_images import images_of
from ..dataset.phrases import Phrases, classes_of, text_fields
from ..dataset.writing import OUTPUTS, outputs_of, require_fitting
from ..work.planning import Job
from .fields import refuse
from .parameters import ParameterForm, parameter, read
from .recipe_form import add_recipe, download_parameter, recipe_from_params
from .storage_form import WriteParameters, add_policy, add_storage
from .target_form import add_target

LONG = 100
"""Targets of more images than this are offered to the background: the form stays open for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelParameters(WriteParameters):
    """How to label, and what to write; None stands for the operator's own default."""

    recipe: str | None = parameter(None, "Recipe")
    settings: Mapping[str, Any] | None = None
    download: bool = download_parameter()
    phrases: tuple[str, ...] = parameter(
        (), "What to look for", "One or more phrases, such as 'red car'"
    )
    phrases_field: str | None = parameter(
        None,
        "Phrases of each sample",
        "A field with texts, such as 'caption', 'tags' or 'ground_truth.detections.label'",
    )
    dataset_classes: bool = parameter(False, "Look for all classes that the dataset knows, too")
    label_field: str | None = parameter(None, "Field", "A new one, or one that has labels already")
    write: tuple[str, ...] | None = parameter(None, "What to write")
    export_folder: str | None = parameter(None, "Write files, too")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What an operator does when it is told nothing else; `files` is one of the core's formats.

    Of `recipes`, it is the first one whose weights are here, or else the last.
    """

    recipes: tuple[str, ...]
    write: tuple[str, ...]
    files: str

    @property
    def recipe(self) -> str:
        *preferred, last = self.recipes
        return next(filter(_can_run, preferred), last)


def add_inputs(form: ParameterForm, ctx: Any, defaults: Defaults) -> None:
    """Draw all parameters, in the order in which people think of them."""
    images = add_target(form.inputs, ctx, "Label")
    # Others need somebody to point at things: that is what *Outline labels* is for.
    finding = [known for known in built_in_recipes().values() if not known.needs_pointing]
    recipe = add_recipe(form.inputs, ctx.params, finding, defaults.recipe)
    if images is None or recipe is None:
        return
    if recipe.understands_phrases:
        known = classes_of(ctx.dataset, ctx.params.get("label_field") or "")
        form.add("phrases", suggestions=known)
        form.add("phrases_field", suggestions=text_fields(ctx.dataset))
        form.add("dataset_classes")
    _add_output(form, ctx, recipe, defaults)
    add_policy(form)
    add_storage(form, ctx.dataset, ctx.params.get("write") or defaults.write)
    form.add(
        "export_folder",
        label=f"Write files, too ({defaults.files})",
        help=f"A folder for: {FORMATS[defaults.files].help}. None if empty",
    )
    if images.count() > LONG and not fo.config.allow_legacy_orchestrators:
        _warn_of_waiting(form.inputs, images.count())


def job_from_params(ctx: Any, defaults: Defaults) -> Job:
    """Make a job of what the form, or the call, gives."""
    parameters = read(LabelParameters, ctx.params)
    recipe = recipe_from_params(ctx.params, defaults.recipe)
    write = parameters.write or defaults.write
    field = parameters.label_field or field_for(ctx.dataset, recipe, write)
    return Job(
        dataset=ctx.dataset,
        samples=images_of(ctx),
        recipe=recipe,
        outputs=outputs_of(write, field),
        phrases=_phrases(ctx.dataset, parameters, recipe, field),
        policy=parameters.policy,
        masks_on_disk=parameters.masks_on_disk,
    )


def field_for(dataset: Any, recipe: Recipe, write: Sequence[str]) -> str:
    """A field named after the recipe, and after what is written where that is something else."""
    field = re.sub(r"\W", "_", recipe.name)
    outputs = outputs_of(write, field)
    try:
        require_fitting(dataset, {field: outputs[field]})
    except InvalidSetting:
        return f"{field}_{outputs[field].name}"
    return field


def _can_run(recipe: str) -> bool:
    checkpoints = built_in_recipes()[recipe].checkpoints
    return all(model.weights is None or located_weights(model) for model in checkpoints)


def _add_output(form: ParameterForm, ctx: Any, recipe: Recipe, defaults: Defaults) -> None:
    kinds = {name: output.help for name, output in OUTPUTS.items()}
    write = form.add("write", choices=kinds, default=list(defaults.write))
    schema = ctx.dataset.get_field_schema(embedded_doc_type=fo.Label)
    wanted = ctx.params.get("write") or defaults.write
    try:
        default = field_for(ctx.dataset, recipe, wanted)
        outputs = outputs_of(wanted, ctx.params.get("label_field") or default)
    except PremaskError as error:
        form.add("label_field", suggestions=schema)
        return refuse(write, error)
    chosen = form.add("label_field", suggestions=schema, default=default)
    try:
        require_fitting(ctx.dataset, outputs)
    except PremaskError as error:
        return refuse(chosen, error)
    written = ", ".join(f"{output.name} to '{name}'" for name, output in outputs.items())
    chosen.view.caption = f"Writes {written}"


def _phrases(dataset: Any, parameters: LabelParameters, recipe: Recipe, field: str) -> Phrases:
    texts = parameters.phrases
    if parameters.dataset_classes:
        classes = classes_of(dataset, field)
        if not classes:
            raise InvalidSetting(
                "The dataset knows no classes. Set them with: dataset.default_classes = [...]; "
                "dataset.save()"
            )
        texts += classes
    phrases = Phrases(texts=texts, field=parameters.phrases_field or "")
    if phrases and not recipe.understands_phrases:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' can't be told what to look for. Leave the phrases away, "
            "or use a recipe that finds what you name."
        )
    if not phrases.field:
        require_usable_prompts(recipe, phrases.shared)
    return phrases


def _warn_of_waiting(inputs: types.Object, count: int) -> None:
    inputs.view(
        "waiting",
        types.Notice(
            label=f"{count:,} images: this form stays open until all are done",
            description="Runs in the background can be scheduled when the App is started with "
            "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true, and `fiftyone delegated launch` is running.",
        ),
    )
