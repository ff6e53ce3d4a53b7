"""Export masks: the labels of a dataset, a view or a selection, in the core's formats."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from premask.errors import PremaskError
from premask.labels.formats import FORMATS, formats_of

from ..dataset.plurals import counted
from ..dataset.reading import label_names, readable_fields
from ..forms.fields import refuse
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..forms.storage_form import default_folder
from ..work.export import Exported, export_masks
from .result_operator import ResultOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParameters:
    """Which labels, in which formats, and where to."""

    label_fields: tuple[str, ...] = parameter(label="Labels; a heatmap is the matte of the others")
    folder: str = parameter(label="Folder", help="Made where there is none")
    formats: tuple[str, ...] = parameter(("coco",), "Formats")
    classes: tuple[str, ...] = parameter((), "Classes", "Only these; all by default")


class ExportMasks(ResultOperator):
    """COCO with exact run lengths, and whatever else `premask annotate --format` writes.

    From Python, the result's `result` counts what was written.
    """

    own_name: ClassVar[str] = "export_masks"
    label: ClassVar[str] = "Export masks"
    description: ClassVar[str] = (
        "Write labels as COCO (exact to the pixel), YOLO, PNG maps or cut-outs"
    )
    parameters: ClassVar[type] = ExportParameters
    target_action: ClassVar[str] = "Export"
    heading: ClassVar[str] = "Exported"
    many: ClassVar[int] = 20_000

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        # Keypoints say where an object is, but they are no masks.
        fields = {
            name: kind for name, kind in readable_fields(samples).items() if "Keypoint" not in kind
        }
        form.add("label_fields", choices=fields, default=list(fields)[:1])
        formats = {name: dataset_format.help for name, dataset_format in FORMATS.items()}
        chosen = form.add("formats", choices=formats, required=True)
        try:
            formats_of(ctx.params.get("formats") or ())
        except PremaskError as error:
            refuse(chosen, error)
        form.add("folder", default=str(default_folder(ctx.dataset) / "export"))
        chosen_fields = ctx.params.get("label_fields") or list(fields)[:1]
        wanted = [name for name in chosen_fields if name in fields]
        form.add("classes", suggestions=label_names(samples, wanted))

    def work(self, ctx: Any, samples: Any, parameters: ExportParameters) -> Exported:
        return export_masks(samples, **asdict(parameters), on_progress=watcher(ctx))

    def show(self, ctx: Any, result: Exported) -> None:
        """Nothing has changed in the dataset."""

    def summary(self, result: Exported) -> str:
        mattes = f", {result.mattes:,} of them with a matte" if result.mattes else ""
        found = f"{counted(result.annotations, 'annotation')}{mattes}"
        return f"{found} in {counted(result.images, 'image')}."

    def details(self, result: Exported) -> str:
        return "\n\nWritten:\n" + "".join(f"\n- {path}" for path in result.written)
