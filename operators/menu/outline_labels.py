"""Outline labels: boxes, points or coarse masks of a field become exact masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import InvalidSetting
from premask.labels.fiftyone import NEGATIVE
from premask.recipes.recipe import Recipe, built_in_recipes

from ..dataset.reading import label_kind
from ..dataset.source_labels import HINTS
from ..forms.recipe_form import Params, add_recipe, recipe_from_params
from ..forms.source_form import Source, add_source, add_target_fields, source_field, source_job
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


class OutlineLabels(Runner):
    """Each label keeps its class, its attributes and, if it has one, its confidence."""

    own_name: ClassVar[str] = "outline_labels"
    label: ClassVar[str] = "Outline labels"
    description: ClassVar[str] = "Boxes, points or coarse masks of a field become exact masks"

    def resolve_input(self, ctx: Any) -> types.Property:
        """The form."""
        inputs = types.Object()
        samples = add_source(inputs, ctx, _SOURCE)
        if samples is not None:
            if label_kind(samples, source_field(ctx, _SOURCE)).startswith("Keypoint"):
                inputs.view("clicks", _CLICKS)
            add_recipe(inputs, ctx.params, _recipes(), _RECIPE)
            add_target_fields(inputs, ctx, _SOURCE)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        """What the form, or the call, asks for."""
        return source_job(ctx, _SOURCE, _recipe(ctx.params))

    def __call__(
        self,
        samples: Any,
        *,
        source_field: str,
        recipe: str = _RECIPE,
        settings: Mapping[str, Any] | None = None,
        label_field: str | None = None,
        existing: str = "skip",
        overlap: float = 0.5,
        masks_on_disk: bool = False,
        folder: str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Outline what a field of a dataset or view has; the result's `result` is the run."""
        params = {
            "source_field": source_field,
            "recipe": recipe,
            "settings": dict(settings or {}),
            "label_field": label_field,
            "existing": existing,
            "overlap": overlap,
            "masks_on_disk": masks_on_disk,
            "folder": folder,
        }
        return self.run_on(samples, params, delegate=delegate)


def _recipes() -> list[Recipe]:
    """Those that need somebody to say where things are."""
    return [recipe for recipe in built_in_recipes().values() if recipe.needs_pointing]


def _recipe(params: Params) -> Recipe:
    recipe = recipe_from_params(params, _RECIPE)
    if not recipe.needs_pointing:
        names = ", ".join(each.name for each in _recipes())
        raise InvalidSetting(
            f"The recipe '{recipe.name}' can't be told where objects are. Use one that outlines "
            f"what it is shown: {names}."
        )
    return recipe
