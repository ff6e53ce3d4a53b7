"""Evaluate: predictions against the truth, with a table of what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from ..dataset.reading import readable_fields
from ..forms.parameters import ParameterForm, parameter
from ..work.evaluation import Evaluated, evaluate
from .result_operator import ResultOperator

_PANEL = "model_evaluation_panel_builtin"
"""FiftyOne's own panel of evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateParameters:
    """What is compared with what."""

    pred_field: str = parameter(label="Predictions")
    gt_field: str = parameter(label="Truth, of the same kind")
    eval_key: str = parameter(
        "premask", "Key", "The name of the result; the one before under the same name goes"
    )
    iou: float = parameter(0.5, "IoU", "From which on a detection is a match", minimum=0, maximum=1)


class Evaluate(ResultOperator):
    """FiftyOne's own evaluation where it has one, and edges and mattes, which it has not.

    From Python, the result's `result` has the rows and the overall values.
    """

    own_name: ClassVar[str] = "evaluate"
    label: ClassVar[str] = "Evaluate masks"
    description: ClassVar[str] = "Precision and recall, IoU, boundary IoU; SAD and MSE of mattes"
    parameters: ClassVar[type] = EvaluateParameters
    target_action: ClassVar[str] = "Evaluate"
    heading: ClassVar[str] = "Evaluated"
    many: ClassVar[int] = 5_000

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        fields = readable_fields(samples)
        form.add("pred_field", choices=fields)
        form.add("gt_field", choices=fields)
        form.add("eval_key", required=True)
        form.add("iou")

    def work(self, ctx: Any, samples: Any, parameters: EvaluateParameters) -> Evaluated:
        return evaluate(samples, **asdict(parameters))

    def summary(self, result: Evaluated) -> str:
        values = ", ".join(f"{name} {value:.3f}" for name, value in result.overall.items())
        if not values:
            return "Nothing to compare."
        return f"{values}. The view '{result.worst_view}' shows first what agrees the least."

    def show(self, ctx: Any, result: Evaluated) -> None:
        super().show(ctx, result)
        if result.overall and ctx.dataset.has_evaluation(result.eval_key):
            ctx.ops.open_panel(_PANEL, layout="horizontal")

    def execute(self, ctx: Any) -> dict[str, Any]:
        outcome = super().execute(ctx)
        table = [
            {name: f"{v:.3f}" if isinstance(v, float) else v for name, v in row.items()}
            for row in outcome["rows"]
        ]
        return outcome | {"table": table}

    def resolve_output(self, ctx: Any) -> types.Property:
        shown, view = super().resolve_output(ctx), types.TableView(label="By class")
        rows = ctx.results.get("table") or [{}]
        for name in rows[0]:
            view.add_column(name, label=name.replace("_", " "))
        shown.type.list("table", types.Object(), view=view)
        return shown
