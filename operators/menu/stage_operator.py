"""One pure stage on the labels of a field: what *Refine masks* and *Select labels* share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError
from premask.recipes.recipe import Recipe

from ..forms.recipe_form import add_stage, recipe_from_params
from ..forms.source_form import (
    Source,
    add_source,
    add_target_fields,
    source_from_params,
    source_job,
)
from ..work.planning import Job
from ..work.stage_preview import Trial, try_out
from .runner import Runner


class StageOperator(Runner):
    """New labels in another field; the form shows what would become of the first samples."""

    recipe: ClassVar[Recipe]
    source: ClassVar[Source]
    hidden: ClassVar[set[str]] = set()

    @abstractmethod
    def told(self, trial: Trial) -> str:
        """What came of the trial, in a sentence."""

    def resolve_input(self, ctx: Any) -> types.Property:
        """The form."""
        inputs = types.Object()
        if add_source(inputs, ctx, self.source) is not None:
            recipe = add_stage(inputs, ctx.params, self.recipe, self.hidden)
            self._add_trial(inputs, ctx, recipe)
            add_target_fields(inputs, ctx, self.source)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        """What the form, or the call, asks for."""
        recipe = recipe_from_params({**ctx.params, "recipe": self.recipe.name}, "")
        return source_job(ctx, self.source, recipe)

    def __call__(
        self,
        samples: Any,
        *,
        source_field: str,
        settings: Mapping[str, Any] | None = None,
        label_field: str | None = None,
        remaining_field: str | None = None,
        existing: str = "skip",
        overlap: float = 0.5,
        masks_on_disk: bool = False,
        folder: str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Work on what a field of a dataset or view has; the result's `result` is the run.

        What the stage drops goes into the `remaining_field`, if there is one.
        """
        params = {
            "source_field": source_field,
            "settings": dict(settings or {}),
            "label_field": label_field,
            "remaining_field": remaining_field,
            "existing": existing,
            "overlap": overlap,
            "masks_on_disk": masks_on_disk,
            "folder": folder,
        }
        return self.run_on(samples, params, delegate=delegate)

    def _add_trial(self, inputs: types.Object, ctx: Any, recipe: Recipe) -> None:
        try:
            trial = try_out(source_from_params(ctx, self.source, recipe), recipe)
            view: types.View = types.Notice(label=self.told(trial))
        except PremaskError as error:
            view = types.Warning(label="This can't be tried out", description=str(error))
        inputs.view("trial", view)
