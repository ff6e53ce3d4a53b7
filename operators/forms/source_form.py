"""The form of the operators that make new labels of existing ones, and the job it describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiftyone.operators import types

from premask.errors import InvalidSetting, PremaskError
from premask.recipes.recipe import Recipe

from ..dataset.chosen_labels import images_to_label, labels_of
from ..dataset.source_labels import SourceLabels, require_source, source_fields
from ..dataset.writing import Output, require_fitting
from ..work.label_copies import COPIES, REMAINING
from ..work.planning import Job
from .fields import refuse
from .parameters import ParameterForm, Params, parameter, read
from .storage_form import WriteParameters, add_policy, add_storage
from .target_form import add_chosen_labels, add_target


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceParameters(WriteParameters):
    """Which labels are worked on, and where the new ones go."""

    source_field: str = parameter(label="Labels")
    settings: Mapping[str, Any] | None = None
    label_field: str | None = parameter(None, "Field")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageParameters(SourceParameters):
    """The same for a stage that drops some of the labels."""

    remaining_field: str | None = parameter(None, "Field of the others", "They go nowhere if empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which kinds of labels an operator works on, and how the field of the new ones ends."""

    kinds: tuple[str, ...]
    suffix: str
    has_remaining: bool = False


def add_source(form: ParameterForm, ctx: Any, source: Source) -> Any | None:
    """Draw the choice of samples and of a field; return the samples if both can be worked on."""
    samples = add_target(form.inputs, ctx, "Work on", images_to_label)
    if samples is None:
        return None
    if (chosen_labels := labels_of(ctx)) is not None:
        add_chosen_labels(form.inputs, chosen_labels, "All others stay as they are.")
    fields = _fields(ctx, source)
    if not fields:
        words = f"No field holds {', '.join(source.kinds)}. Label first."
        view = types.Error(label="There are no labels", description=words)
        form.inputs.define_property(
            "source_field", types.String(), view=view, invalid=True, error_message=words
        )
        return None
    chosen = form.add("source_field", choices=fields, default=next(iter(fields)))
    try:
        require_source(samples, source_field(ctx, source), source.kinds)
    except PremaskError as error:
        refuse(chosen, error)
        return None
    return samples


def add_target_fields(form: ParameterForm, ctx: Any, source: Source) -> None:
    """Draw where the new labels go, and what happens to those that are there."""
    field = source_field(ctx, source)
    chosen = form.add(
        "label_field",
        default=f"{field}{source.suffix}",
        help=f"A new one, or one that has labels already. '{field}' itself stays as it is: its "
        "labels may be a person's, and what a run wrote can be undone",
    )
    if source.has_remaining:
        form.add("remaining_field")
    try:
        require_fitting(ctx.dataset, outputs_from_params(ctx.params, field, source))
    except PremaskError as error:
        refuse(chosen, error)
    add_policy(form, are_chosen=labels_of(ctx) is not None)
    add_storage(form, ctx.dataset, ["detections"])


def source_field(ctx: Any, source: Source) -> str:
    """The field that was chosen, or the first that can be."""
    chosen: str = ctx.params.get("source_field") or ""
    return chosen or next(iter(_fields(ctx, source)), "")


def source_from_params(ctx: Any, source: Source, recipe: Recipe) -> SourceLabels:
    """The labels that the form, or the call, speaks of."""
    samples, field = images_to_label(ctx), source_field(ctx, source)
    require_source(samples, field, source.kinds)
    return SourceLabels(
        samples=samples,
        field=field,
        needs_pixels=bool(recipe.models),
        are_chosen=labels_of(ctx) is not None,
    )


def _fields(ctx: Any, source: Source) -> dict[str, str]:
    """The fields that can be worked on: where labels were chosen, only theirs."""
    fields, chosen = source_fields(images_to_label(ctx), source.kinds), labels_of(ctx)
    return {name: fields[name] for name in fields if chosen is None or name in chosen.fields}


def source_job(ctx: Any, source: Source, recipe: Recipe) -> Job:
    """What the form, or the call, asks for."""
    labels = source_from_params(ctx, source, recipe)
    parameters = read(StageParameters, {**ctx.params, "source_field": labels.field})
    return Job(
        dataset=ctx.dataset,
        samples=labels.labeled_samples(),
        recipe=recipe,
        outputs=outputs_from_params(ctx.params, labels.field, source),
        source=labels,
        policy=parameters.policy(are_chosen=labels.are_chosen),
        masks_on_disk=parameters.masks_on_disk,
    )


def outputs_from_params(params: Params, field: str, source: Source) -> dict[str, Output]:
    """Say what is written into which field; refuse the one that the labels come from."""
    outputs = {params.get("label_field") or f"{field}{source.suffix}": COPIES}
    if source.has_remaining and params.get("remaining_field"):
        outputs = {**outputs, params["remaining_field"]: REMAINING}
        if len(outputs) == 1:
            raise InvalidSetting("Those that are kept and the others need a field each.")
    if field in outputs:
        raise InvalidSetting(
            f"The labels in '{field}' stay as they are, whoever made them. Choose another field, "
            "and delete this one when you don't need it any more."
        )
    return outputs
