"""Label samples: any recipe on a dataset, a view or a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fiftyone.operators import types

from ..dataset.chosen_images import all_images
from ..dataset.history import Run
from ..forms.label_form import Defaults, LabelParameters, add_inputs, job_from_params
from ..work.export import export_masks
from ..work.planning import Job
from .declared_operator import ICON
from .runner import Runner


class LabelSamples(Runner):
    """The operator; *Cut out subject* and *Semantic map* differ in what they do by default."""

    own_name: ClassVar[str] = "label_samples"
    label: ClassVar[str] = "Label samples"
    description: ClassVar[str] = "Find, outline and matte objects, and write them as labels"
    parameters: ClassVar[type] = LabelParameters
    defaults: ClassVar[Defaults] = Defaults(
        recipes=("subject",), write=("detections",), files="coco"
    )

    def resolve_placement(self, ctx: Any) -> types.Placement | None:
        """A button above the photos; one for the operator itself, not for those that follow it."""
        if self.own_name != LabelSamples.own_name:
            return None
        button = types.Button(label=self.listed_label, icon=ICON, prompt=True)
        return types.Placement(types.Places.SAMPLES_GRID_ACTIONS, button)

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        add_inputs(self.form(inputs, ctx), ctx, self.defaults)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        return job_from_params(ctx, self.defaults)

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        # The run keeps what it was called with; *Run again* must not depend on today's defaults.
        defaults = {"recipe": self.defaults.recipe, "write": list(self.defaults.write)}
        return super().call(samples, {**defaults, **params}, delegate=delegate)

    def finish(self, ctx: Any, run: Run, ids: Sequence[str]) -> None:
        """Write files of what all samples have now, those that were done before included."""
        if folder := ctx.params.get("export_folder"):
            samples = all_images(ctx.dataset).select(ids, ordered=True)
            fields, formats = list(run.fields), [self.defaults.files]
            export_masks(samples, folder, label_fields=fields, formats=formats)
