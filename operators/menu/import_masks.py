"""Import COCO masks: exact run lengths, polygons and mattes, beside the labels that are there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.label_form import add_storage
from ..forms.outcomes import options, said, watcher, with_failures
from ..forms.recipe_form import text_choices
from ..forms.target_form import add_target
from ..work.coco_import import Imported, import_masks
from .python_call import call
from .runner import new_run

MANY = 20_000
"""Images that are not written in a few minutes."""


class ImportMasks(foo.Operator):
    """The way back of *Export masks*, and the way in for COCO files of others."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="import_masks",
            label="Import COCO masks",
            description="Read a COCO file (run lengths, polygons, mattes) to the pixel",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """Which file, for which samples, and into which field."""
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, "Import for")) is not None:
            _add_inputs(inputs, samples)
            # Mattes may come, and they lie on disk.
            add_storage(inputs, ctx, ["detections", "heatmap"])
        return types.Property(inputs, view=types.View(label="Import COCO masks"))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        """Large targets go into the background."""
        return options(ctx, MANY)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Write the labels; the result says how many, and which images have no sample."""
        path = ctx.params["path"]
        imported = import_masks(
            images_of(ctx),
            path,
            new_run(ctx, self.uri, settings=f"path = {path}"),
            label_field=ctx.params["label_field"],
            image_folder=ctx.params.get("image_folder") or None,
            append=bool(ctx.params.get("append")),
            masks_on_disk=bool(ctx.params.get("masks_on_disk")),
            on_progress=watcher(ctx),
        )
        if not ctx.delegated:
            ctx.ops.reload_dataset()
        return asdict(imported) | {"summary": _summary(imported)}

    def resolve_output(self, ctx: Any) -> types.Property:
        """What was read."""
        return said(ctx, "Imported")

    def __call__(
        self,
        samples: Any,
        *,
        path: str,
        label_field: str = "ground_truth",
        image_folder: str | None = None,
        append: bool = False,
        masks_on_disk: bool = False,
        folder: str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Import into a dataset or a view; the result's `result` counts what was written."""
        params = {
            "path": str(path),
            "label_field": label_field,
            "image_folder": str(image_folder or ""),
            "append": append,
            "masks_on_disk": masks_on_disk,
            "folder": folder,
        }
        return call(self, samples, params, delegate=delegate)


def _add_inputs(inputs: types.Object, samples: Any) -> None:
    inputs.str("path", required=True, label="COCO file", description="A .json with its masks")
    fields = [name for name, kind in readable_fields(samples).items() if kind == "Detections"]
    view = text_choices(fields, "Field", "A new one, or one without labels for these images")
    inputs.str("label_field", default="ground_truth", required=True, view=view)
    inputs.str(
        "image_folder",
        label="Folder of the images",
        description="Optional: names are then paths below it, and images without a sample get one",
    )
    inputs.bool(
        "append",
        default=False,
        label="Append",
        description="Put what is new behind labels that are there; they stay as they are",
    )


def _summary(imported: Imported) -> str:
    found = counted(imported.annotations, "annotation")
    sentence = f"{found} in {counted(imported.images, 'image')}"
    extras = {
        "new samples": imported.new_samples,
        "were there before": imported.duplicates,
        "mattes": imported.mattes,
        "of these reach into each other, and are not exact": imported.blended,
    }
    said = "".join(f", {count:,} {what}" for what, count in extras.items() if count)
    return with_failures(f"{sentence}{said}.", imported.failures)
