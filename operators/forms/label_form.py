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

from ..dataset.chosen_labels import ChosenLabels, images_to_label, labels_of, require_extent
from ..dataset.phrases import Phrases, classes_of, text_fields
from ..dataset.writing import OUTPUTS, outputs_of, require_fitting
from ..work.planning import Job
from .fields import refuse
from .parameters import ParameterForm, parameter, read
from .recipe_form import add_recipe, download_parameter, recipe_from_params
from .storage_form import WriteParameters, add_policy, add_storage
from .target_form import add_chosen_labels, add_target

LONG = 100
"""Targets of more images than this are offered to the background: the form stays open for them."""

_PATCHES = (
    "The model sees a crop of each, with its margin, and nothing else of the image. What it finds "
    "goes to the whole image, into its own place there."
)


_TRIAL = (
    "What is found is shown at once, in a field of its own. Then keep it, and it goes to the field "
    "below, or throw it away."
)


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
    margin: float = parameter(
        0.1,
        "Margin around each patch",
        "A share of its width and height that is added on each side before the model sees it",
        minimum=0,
        maximum=10,
    )


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
    images = add_target(form.inputs, ctx, "Label", images_to_label)
    chosen = _add_patches(form, ctx) if images is not None else None
    if not _add_work(form, ctx, defaults) or images is None:
        return
    add_policy(form, are_chosen=chosen is not None)
    form.add(
        "export_folder",
        label=f"Write files, too ({defaults.files})",
        help=f"A folder for: {FORMATS[defaults.files].help}. None if empty",
    )
    if images.count() > LONG and not fo.config.allow_legacy_orchestrators:
        _warn_of_waiting(form.inputs, images.count())


def add_trial(form: ParameterForm, ctx: Any, defaults: Defaults, on: str) -> None:
    """Draw the parameters of a trial `on` one sample."""
    form.inputs.view("sample", types.Notice(label=f"On {on}", description=_TRIAL))
    _add_work(form, ctx, defaults)


def _add_work(form: ParameterForm, ctx: Any, defaults: Defaults) -> bool:
    """Draw what to look for and what to write; return whether this recipe can be used."""
    # Others need somebody to point at things: that is what *Outline labels* is for.
    finding = [known for known in built_in_recipes().values() if not known.needs_pointing]
    recipe = add_recipe(form.inputs, ctx.params, finding, defaults.recipe)
    if recipe is None:
        return False
    if recipe.understands_phrases:
        known = classes_of(ctx.dataset, ctx.params.get("label_field") or "")
        form.add("phrases", suggestions=known)
        form.add("phrases_field", suggestions=text_fields(ctx.dataset))
        form.add("dataset_classes")
    _add_output(form, ctx, recipe, defaults)
    add_storage(form, ctx.dataset, ctx.params.get("write") or defaults.write)
    return True


def job_from_params(ctx: Any, defaults: Defaults) -> Job:
    """Make a job of what the form, or the call, gives."""
    return described_job(ctx, defaults, images_to_label(ctx), labels_of(ctx))


def described_job(ctx: Any, defaults: Defaults, samples: Any, patches: ChosenLabels | None) -> Job:
    """The job on these samples; those of patches, if there are such."""
    parameters = read(LabelParameters, ctx.params)
    recipe = recipe_from_params(ctx.params, defaults.recipe)
    write = parameters.write or defaults.write
    field = parameters.label_field or field_for(ctx.dataset, recipe, write)
    if patches is not None:
        require_extent(patches)
    return Job(
        dataset=ctx.dataset,
        samples=samples,
        patches=patches,
        margin=parameters.margin,
        recipe=recipe,
        outputs=outputs_of(write, field),
        phrases=_phrases(ctx.dataset, parameters, recipe, field),
        policy=parameters.policy(are_chosen=patches is not None),
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


def _add_patches(form: ParameterForm, ctx: Any) -> ChosenLabels | None:
    """Say what becomes of patches, or of selected labels; None where whole images were chosen."""
    chosen = labels_of(ctx)
    if chosen is None:
        return None
    add_chosen_labels(form.inputs, chosen, _PATCHES)
    margin = form.add("margin")
    try:
        require_extent(chosen)
    except PremaskError as error:
        refuse(margin, error)
    return chosen


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
