"""One stage without models on the labels of a field: *Refine masks* and *Select labels*."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from fiftyone.operators import types

from premask.errors import PremaskError
from premask.recipes.recipe import Recipe

from ..forms.recipe_form import add_stage, recipe_from_params
from ..forms.source_form import (
    Source,
    StageParameters,
    add_source,
    add_target_fields,
    source_from_params,
    source_job,
)
from ..work.planning import Job
from ..work.stage_preview import StagePreview, preview_stage
from .runner import Runner


class StageOperator(Runner):
    """New labels in another field; the form shows what would become of the first samples."""

    parameters: ClassVar[type] = StageParameters
    recipe: ClassVar[Recipe]
    source: ClassVar[Source]
    hidden: ClassVar[set[str]] = set()

    @abstractmethod
    def told(self, preview: StagePreview) -> str:
        """What would come of the stage, in a sentence."""

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        form = self.form(inputs, ctx)
        if add_source(form, ctx, self.source) is not None:
            recipe = add_stage(inputs, ctx.params, self.recipe, self.hidden)
            try:
                labels = source_from_params(ctx, self.source, recipe)
                view: types.View = types.Notice(label=self.told(preview_stage(labels, recipe)))
            except PremaskError as error:
                view = types.Warning(label="This can't be tried out", description=str(error))
            inputs.view("trial", view)
            add_target_fields(form, ctx, self.source)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        recipe = recipe_from_params({**ctx.params, "recipe": self.recipe.name}, "")
        return source_job(ctx, self.source, recipe)
