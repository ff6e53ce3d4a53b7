"""Label samples: any recipe on a dataset, a view or a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fiftyone.operators import types

from ..dataset.chosen_images import all_images
from ..forms.label_form import Defaults, add_inputs, job_from_params
from ..work.export import export_masks
from ..work.planning import Job
from .runner import Runner


class LabelSamples(Runner):
    """The operator; its siblings differ in what they do by default."""

    own_name: ClassVar[str] = "label_samples"
    label: ClassVar[str] = "Label samples"
    description: ClassVar[str] = "Find, outline and matte objects, and write them as labels"
    defaults: ClassVar[Defaults] = Defaults(recipe="subject", write=("detections",), files="coco")

    def resolve_input(self, ctx: Any) -> types.Property:
        """The form."""
        inputs = types.Object()
        add_inputs(inputs, ctx, self.defaults)
        return types.Property(inputs, view=types.View(label=self.label))

    def job(self, ctx: Any) -> Job:
        """What the form, or the call, asks for."""
        return job_from_params(ctx, self.defaults)

    def finish(self, ctx: Any, job: Job, ids: Sequence[str]) -> None:
        """Write files of what the samples have now: those that were done before are among them."""
        if folder := ctx.params.get("export_folder"):
            samples = all_images(job.dataset).select(ids, ordered=True)
            fields, formats = list(job.outputs), [self.defaults.files]
            export_masks(samples, folder, label_fields=fields, formats=formats)

    def __call__(
        self,
        samples: Any,
        *,
        recipe: str | None = None,
        settings: Mapping[str, Any] | None = None,
        phrases: Sequence[str] = (),
        phrases_field: str | None = None,
        dataset_classes: bool = False,
        label_field: str | None = None,
        write: Sequence[str] | None = None,
        existing: str = "skip",
        overlap: float = 0.5,
        masks_on_disk: bool = False,
        folder: str | None = None,
        export_folder: str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Label a dataset or a view; the result's `result` is the run, unless it was delegated."""
        params = {
            "recipe": recipe or self.defaults.recipe,
            "settings": dict(settings or {}),
            "phrases": list(phrases),
            "phrases_field": phrases_field,
            "dataset_classes": dataset_classes,
            "label_field": label_field,
            "write": list(write or self.defaults.write),
            "existing": existing,
            "overlap": overlap,
            "masks_on_disk": masks_on_disk,
            "folder": folder,
            "export_folder": export_folder,
        }
        return self.run_on(samples, params, delegate=delegate)
