"""Import masks: COCO for images, tracks for clips, beside the labels that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..dataset.chosen_clips import ChosenClips
from ..dataset.chosen_samples import samples_of
from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..forms.storage_form import StorageParameters, add_storage
from ..work.clip_export import label_fields_of
from ..work.clip_import import import_clips
from ..work.coco_import import Imported, import_masks
from .result_operator import ResultOperator
from .runner import new_run


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters(StorageParameters):
    """Which file, for which samples, and into which field."""

    path: str = parameter(
        label="File or folder",
        help="For images COCO or a plan; for clips YouTube-VIS, DAVIS, MOTS, SA-V or COCO",
    )
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
    """The way back of *Export masks*, and the way in for files of others.

    From Python, the result's `result` counts what was written.
    """

    own_name: ClassVar[str] = "import_masks"
    label: ClassVar[str] = "Import masks"
    description: ClassVar[str] = "Read COCO (run lengths, polygons, mattes) or tracks, to the pixel"
    parameters: ClassVar[type] = ImportParameters
    target_action: ClassVar[str] = "Import for"
    heading: ClassVar[str] = "Imported"
    many: ClassVar[int] = 20_000

    def samples(self, ctx: Any) -> Any:
        return samples_of(ctx)

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        form.add("path")
        is_of_clips = isinstance(samples, ChosenClips)
        readable = label_fields_of(samples) if is_of_clips else readable_fields(samples)
        fields = [name for name, kind in readable.items() if kind == "Detections"]
        form.add("label_field", suggestions=fields, required=True)
        if not is_of_clips:
            form.add("image_folder")
        form.add("append")
        # Mattes may come, and they lie on disk.
        add_storage(form, ctx.dataset, ["detections", *([] if is_of_clips else ["heatmap"])])

    def work(self, ctx: Any, samples: Any, parameters: ImportParameters) -> Imported:
        run = new_run(ctx, self.uri, settings=f"path = {parameters.path}")
        options: dict[str, Any] = {
            "label_field": parameters.label_field,
            "append": parameters.append,
            "masks_on_disk": parameters.masks_on_disk,
            "on_progress": watcher(ctx),
        }
        if isinstance(samples, ChosenClips):
            return import_clips(samples, parameters.path, run, **options)
        folder = parameters.image_folder
        return import_masks(samples, parameters.path, run, image_folder=folder, **options)

    def summary(self, result: Imported) -> str:
        where = counted(result.images, "image")
        if result.clips:
            where = f"{counted(result.images, 'frame')} of {counted(result.clips, 'clip')}"
        found = f"{counted(result.annotations, 'annotation')} in {where}"
        extras = {
            "new samples": result.new_samples,
            "were there before": result.duplicates,
            "mattes": result.mattes,
            "mattes left out, which frames can't have here": result.mattes_lost,
            "of these reach into each other, and are not exact": result.blended,
        }
        added = "".join(f", {count:,} {what}" for what, count in extras.items() if count)
        return f"{found}{added}."
