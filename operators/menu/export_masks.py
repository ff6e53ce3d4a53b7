"""Export masks: the labels of a dataset, a view or a selection, in the core's formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from premask.errors import PremaskError
from premask.labels.formats import FORMATS, formats_of

from ..dataset.chosen_images import images_of
from ..dataset.plurals import counted
from ..dataset.reading import label_names, readable_fields
from ..forms.outcomes import add_choices, options, said, watcher, with_failures
from ..forms.recipe_form import refuse, text_choices
from ..forms.target_form import add_target
from ..work.export import Exported, export_masks
from .python_call import call

MANY = 20_000
"""Images that are not exported in a few minutes."""


class ExportMasks(foo.Operator):
    """COCO with exact run lengths, and whatever else `premask annotate --format` writes."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="export_masks",
            label="Export masks",
            description="Write labels as COCO (exact to the pixel), YOLO, PNG maps or cut-outs",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """Which labels, in which formats, and where to."""
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, "Export")) is not None:
            _add_inputs(inputs, ctx, samples)
        return types.Property(inputs, view=types.View(label="Export masks"))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        """Large targets go into the background."""
        return options(ctx, MANY)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Write the files; the result says what is in them."""
        exported = export_masks(
            images_of(ctx),
            ctx.params["folder"],
            label_fields=ctx.params["label_fields"],
            formats=ctx.params.get("formats") or ("coco",),
            classes=ctx.params.get("classes") or (),
            on_progress=watcher(ctx),
        )
        return asdict(exported) | {"summary": _summary(exported)}

    def resolve_output(self, ctx: Any) -> types.Property:
        """What was written."""
        return said(ctx, "Exported")

    def __call__(
        self,
        samples: Any,
        *,
        label_fields: Sequence[str],
        folder: str,
        formats: Sequence[str] = ("coco",),
        classes: Sequence[str] = (),
        delegate: bool = False,
    ) -> Any:
        """Export a dataset or a view; the result's `result` counts what was written."""
        params = {
            "label_fields": list(label_fields),
            "folder": str(folder),
            "formats": list(formats),
            "classes": list(classes),
        }
        return call(self, samples, params, delegate=delegate)


def _add_inputs(inputs: types.Object, ctx: Any, samples: Any) -> None:
    fields = {
        name: kind for name, kind in readable_fields(samples).items() if "Keypoint" not in kind
    }
    add_choices(inputs, "label_fields", fields, "Labels; a heatmap is the matte of the others")
    formats = {each.name: each.help for each in FORMATS.values()}
    chosen = add_choices(inputs, "formats", formats, "Formats", default=["coco"])
    try:
        formats_of(ctx.params.get("formats") or ())
    except PremaskError as error:
        refuse(chosen, error)
    inputs.str("folder", required=True, label="Folder", description="Made where there is none")
    wanted = [name for name in ctx.params.get("label_fields") or () if name in fields]
    view = text_choices(label_names(samples, wanted), "Classes", "Only these; all by default")
    inputs.list("classes", types.String(), view=view)


def _summary(exported: Exported) -> str:
    mattes = f", {exported.mattes:,} of them with a matte" if exported.mattes else ""
    found = f"{counted(exported.annotations, 'annotation')}{mattes}"
    sentence = f"{found} in {counted(exported.images, 'image')}."
    files = "".join(f"\n- {path}" for path in exported.written)
    return with_failures(sentence, exported.failures) + f"\n\nWritten:\n{files}"
