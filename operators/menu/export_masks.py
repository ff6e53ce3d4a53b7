"""Export masks: the labels of a dataset, a view or a selection, in the core's formats."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from premask.errors import PremaskError
from premask.labels.formats import FORMATS, FORMATS_FOR_CLIPS, clip_formats_of, formats_of

from ..dataset.chosen_clips import ChosenClips
from ..dataset.chosen_samples import samples_of
from ..dataset.plurals import counted
from ..dataset.reading import label_names, readable_fields
from ..forms.fields import refuse
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..forms.storage_form import default_folder
from ..work.clip_export import DEFAULT_FORMAT, export_clips, label_fields_of
from ..work.export import Exported, export_masks
from .result_operator import ResultOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParameters:
    """Which labels, in which formats, and where to."""

    label_fields: tuple[str, ...] = parameter(label="Labels; a heatmap is the matte of the others")
    folder: str = parameter(label="Folder", help="Made where there is none")
    formats: tuple[str, ...] = parameter((), "Formats", "By default coco, and of clips ytvis")
    classes: tuple[str, ...] = parameter((), "Classes", "Only these; all by default")
    every_frame: bool = parameter(
        True,
        "Every frame of a clip",
        "In those without labels nothing is; off, only frames that have labels, or an empty list",
    )


class ExportMasks(ResultOperator):
    """COCO with exact run lengths, and whatever else `premask annotate --format` writes.

    Of videos, and of images grouped in an order, it writes what `premask track --format` does.
    From Python, the result's `result` counts what was written.
    """

    own_name: ClassVar[str] = "export_masks"
    label: ClassVar[str] = "Export masks"
    description: ClassVar[str] = (
        "Write labels as COCO (exact to the pixel), YOLO, PNG maps, cut-outs; tracks as YouTube-VIS"
    )
    parameters: ClassVar[type] = ExportParameters
    target_action: ClassVar[str] = "Export"
    heading: ClassVar[str] = "Exported"
    many: ClassVar[int] = 20_000

    def samples(self, ctx: Any) -> Any:
        return samples_of(ctx)

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        is_of_clips = isinstance(samples, ChosenClips)
        readable = label_fields_of(samples) if is_of_clips else readable_fields(samples)
        # Keypoints say where an object is, but they are no masks.
        fields = {name: kind for name, kind in readable.items() if "Keypoint" not in kind}
        form.add("label_fields", choices=fields, default=list(fields)[:1])
        formats = FORMATS_FOR_CLIPS if is_of_clips else FORMATS
        chosen = form.add(
            "formats",
            choices={name: form.help for name, form in formats.items()},
            default=[DEFAULT_FORMAT if is_of_clips else "coco"],
            required=True,
        )
        try:
            (clip_formats_of if is_of_clips else formats_of)(ctx.params.get("formats") or ())
        except PremaskError as error:
            refuse(chosen, error)
        form.add("folder", default=str(default_folder(ctx.dataset) / "export"))
        chosen_fields = ctx.params.get("label_fields") or list(fields)[:1]
        wanted = [name for name in chosen_fields if name in fields]
        images = ctx.dataset if is_of_clips else samples
        form.add("classes", suggestions=label_names(images, wanted))
        if is_of_clips:
            form.add("every_frame")

    def work(self, ctx: Any, samples: Any, parameters: ExportParameters) -> Exported:
        options = asdict(parameters) | {"on_progress": watcher(ctx)}
        if isinstance(samples, ChosenClips):
            return export_clips(samples, **options)
        del options["every_frame"]
        return export_masks(samples, **options)

    def show(self, ctx: Any, result: Exported) -> None:
        """Nothing has changed in the dataset."""

    def summary(self, result: Exported) -> str:
        mattes = f", {result.mattes:,} of them with a matte" if result.mattes else ""
        found = f"{counted(result.annotations, 'annotation')}{mattes}"
        if not result.clips:
            return f"{found} in {counted(result.images, 'image')}."
        where = f"{counted(result.images, 'frame')} of {counted(result.clips, 'clip')}"
        return " ".join([f"{found} in {where}.", *(f"{note}." for note in result.notes)])

    def details(self, result: Exported) -> str:
        return "\n\nWritten:\n" + "".join(f"\n- {path}" for path in result.written)
