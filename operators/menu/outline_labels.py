"""Outline labels: boxes, points or coarse masks of a field become exact masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import InvalidSetting
from premask.labels.fiftyone import NEGATIVE
from premask.recipes.recipe import Recipe, built_in_recipes

from ..dataset.reading import label_kind
from ..dataset.source_labels import HINTS
from ..forms.parameters import parameter
from ..forms.recipe_form import add_recipe, download_parameter, recipe_from_params
from ..forms.source_form import (
    Source,
    SourceParameters,
    add_source,
    add_target_fields,
    source_field,
    source_job,
)
from ..work.planning import Job
from .runner import Runner

_RECIPE = "click"
_SOURCE = Source(kinds=HINTS, suffix="_outlined")
_CLICKS = types.Notice(
    label="Each keypoint is one object",
    description="A list of 1 and 0 in its attribute 'positive' (or 'sam_labels', as FiftyOne's own "
    "SAM reads it) says which of its points are on the object; without one, all are. Points of a "
    f"keypoint with the label '{NEGATIVE}' are on none of the objects.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineParameters(SourceParameters):
    """Which labels are outlined, and by which recipe."""

    recipe: str = parameter(_RECIPE, "Recipe")
    download: bool = download_parameter()


class OutlineLabels(Runner):
    """Each label keeps its class, its attributes and, if it has one, its confidence."""

    own_name: ClassVar[str] = "outline_labels"
    label: ClassVar[str] = "Outline labels"
    description: ClassVar[str] = "Boxes, points or coarse masks of a field become exact masks"
    parameters: ClassVar[type] = OutlineParameters

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        form = self.form(inputs, ctx)
        samples = add_source(form, ctx, _SOURCE)
        if samples is not None:
            if label_kind(samples, source_field(ctx, _SOURCE)).startswith("Keypoint"):
                inputs.view("clicks", _CLICKS)
            add_recipe(inputs, ctx.params, _recipes(), _RECIPE)
            add_target_fields(form, ctx, _SOURCE)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        recipe = recipe_from_params(ctx.params, _RECIPE)
        if not recipe.needs_pointing:
            names = ", ".join(recipe.name for recipe in _recipes())
            raise InvalidSetting(
                f"The recipe '{recipe.name}' can't be told where objects are. Use one that "
                f"outlines what it is shown: {names}."
            )
        return source_job(ctx, _SOURCE, recipe)


def _recipes() -> list[Recipe]:
    """Those that need somebody to say where things are."""
    return [recipe for recipe in built_in_recipes().values() if recipe.needs_pointing]
