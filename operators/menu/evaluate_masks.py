"""Evaluate: predictions against the truth, with a table of what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset.chosen_images import images_of
from ..dataset.reading import readable_fields
from ..forms.outcomes import add_choice, options, said, with_failures
from ..forms.target_form import add_target
from ..work.evaluation import Evaluated, Row, evaluate
from .python_call import call

MANY = 1_000
"""Images that take minutes: FiftyOne compares 20 masks with 20 in 0.3 s."""


class Evaluate(foo.Operator):
    """FiftyOne's own evaluation where it has one, and edges and mattes, which it has not."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="evaluate",
            label="Evaluate masks",
            description="Precision and recall, IoU, boundary IoU; SAD and MSE of mattes",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """What is compared with what."""
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, "Evaluate")) is not None:
            _add_inputs(inputs, readable_fields(samples))
        return types.Property(inputs, view=types.View(label="Evaluate masks"))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        """Large targets go into the background."""
        return options(ctx, MANY)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Evaluate, and keep the result in the dataset."""
        evaluated = evaluate(
            images_of(ctx),
            pred_field=ctx.params["pred_field"],
            gt_field=ctx.params["gt_field"],
            eval_key=ctx.params.get("eval_key") or "premask",
            iou=ctx.params.get("iou", 0.5),
        )
        if not ctx.delegated:
            ctx.ops.reload_dataset()
        table = [_readable(row) for row in evaluated.rows]
        return asdict(evaluated) | {"table": table, "summary": _summary(evaluated)}

    def resolve_output(self, ctx: Any) -> types.Property:
        """The table, a row a class."""
        shown, view = said(ctx, "Evaluated"), types.TableView(label="By class")
        for name in _columns(ctx.results.get("table") or ()):
            view.add_column(name, label=name.replace("_", " "))
        shown.type.list("table", types.Object(), view=view)
        return shown

    def __call__(
        self,
        samples: Any,
        *,
        pred_field: str,
        gt_field: str,
        eval_key: str = "premask",
        iou: float = 0.5,
        delegate: bool = False,
    ) -> Any:
        """Evaluate a dataset or a view; the result's `result` has the rows and the overall."""
        params = {"pred_field": pred_field, "gt_field": gt_field, "eval_key": eval_key, "iou": iou}
        return call(self, samples, params, delegate=delegate)


def _add_inputs(inputs: types.Object, fields: dict[str, str]) -> None:
    add_choice(inputs, "pred_field", fields, "Predictions")
    add_choice(inputs, "gt_field", fields, "Truth, of the same kind")
    key_help = "The name of the result; the one before under the same name goes"
    inputs.str("eval_key", default="premask", required=True, label="Key", description=key_help)
    iou_help = "From which on a detection is a match"
    inputs.float("iou", min=0, max=1, default=0.5, label="IoU", description=iou_help)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(rows[0]) if rows else []


def _readable(row: Row) -> Row:
    return {name: f"{v:.3f}" if isinstance(v, float) else v for name, v in row.items()}


def _summary(evaluated: Evaluated) -> str:
    values = ", ".join(f"{name} {value:.3f}" for name, value in evaluated.overall.items())
    return with_failures(f"{values or 'Nothing to compare'}.", evaluated.failures)
