"""Import COCO masks: exact run lengths, polygons and mattes, beside the labels that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..forms.storage_form import StorageParameters, add_storage
from ..work.coco_import import Imported, import_masks
from .result_operator import ResultOperator
from .runner import new_run


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters(StorageParameters):
    """Which file, for which samples, and into which field."""

    path: str = parameter(label="COCO file", help="A .json with its masks")
    label_field: str = parameter(
        "imported", "Field", "A new one, or one without labels for these images"
    )
    image_folder: str | None = parameter(
        None,
        "Folder of the images",
        "Optional: names are then paths below it, and images without a sample get one",
    )
    append: bool = parameter(
        False, "Append", "Put what is new behind labels that are there; they stay as they are"
    )


class ImportMasks(ResultOperator):
    """The way back of *Export masks*, and the way in for COCO files of others.

    From Python, the result's `result` counts what was written.
    """

    own_name: ClassVar[str] = "import_masks"
    label: ClassVar[str] = "Import COCO masks"
    description: ClassVar[str] = "Read a COCO file (run lengths, polygons, mattes) to the pixel"
    parameters: ClassVar[type] = ImportParameters
    target_action: ClassVar[str] = "Import for"
    heading: ClassVar[str] = "Imported"
    many: ClassVar[int] = 20_000

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        form.add("path")
        fields = [name for name, kind in readable_fields(samples).items() if kind == "Detections"]
        form.add("label_field", suggestions=fields, required=True)
        form.add("image_folder")
        form.add("append")
        # Mattes may come, and they lie on disk.
        add_storage(form, ctx.dataset, ["detections", "heatmap"])

    def work(self, ctx: Any, samples: Any, parameters: ImportParameters) -> Imported:
        return import_masks(
            samples,
            parameters.path,
            new_run(ctx, self.uri, settings=f"path = {parameters.path}"),
            label_field=parameters.label_field,
            image_folder=parameters.image_folder,
            append=parameters.append,
            masks_on_disk=parameters.masks_on_disk,
            on_progress=watcher(ctx),
        )

    def summary(self, result: Imported) -> str:
        found = f"{counted(result.annotations, 'annotation')} in {counted(result.images, 'image')}"
        extras = {
            "new samples": result.new_samples,
            "were there before": result.duplicates,
            "mattes": result.mattes,
            "of these reach into each other, and are not exact": result.blended,
        }
        added = "".join(f", {count:,} {what}" for what, count in extras.items() if count)
        return f"{found}{added}."
