"""Review labels: queue up single labels, the most doubtful ones first, for the review panel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..work.label_queue import MEASURES, LabelQueue, queue_labels
from ..work.review import FIELDS, SCORE
from .result_operator import ResultOperator

_JUDGED = ("Detections", "Polylines")
"""Types whose labels are judged one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQueueParameters:
    """Which labels, and what makes them doubtful."""

    label_field: str = parameter(label="Labels")
    by: str = parameter(SCORE, "What comes first", choices=MEASURES)
    other_field: str | None = parameter(None, "Compared with")
    name: str = parameter("review", "Name of the queue")


class ReviewLabels(ResultOperator):
    """Labels leave the queue when they are accepted or rejected, in the panel *premask review*."""

    own_name: ClassVar[str] = "review_labels"
    label: ClassVar[str] = "Review labels"
    description: ClassVar[str] = "Go through labels one by one with keys, the doubtful ones first"
    parameters: ClassVar[type] = LabelQueueParameters
    target_action: ClassVar[str] = "Queue up the labels of"
    heading: ClassVar[str] = "Queued"
    many: ClassVar[int] = 5_000

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        fields = {name: kind for name, kind in readable_fields(samples).items() if kind in _JUDGED}
        form.add("label_field", choices=fields, default=next(iter(fields), None))
        form.add("by", required=True)
        if ctx.params.get("by") == FIELDS:
            form.add("other_field", choices=fields, required=True)
        form.add("name", required=True)

    def work(self, ctx: Any, samples: Any, parameters: LabelQueueParameters) -> LabelQueue:
        return queue_labels(samples, **asdict(parameters), on_progress=watcher(ctx))

    def show(self, ctx: Any, result: LabelQueue) -> None:
        super().show(ctx, result)
        ctx.ops.open_panel("premask_review", is_active=True, layout="horizontal")

    def summary(self, result: LabelQueue) -> str:
        sentence = f"{counted(result.labels, 'label')} to review in the queue '{result.name}'"
        if result.unmeasured:
            sentence += f", {result.unmeasured:,} without such a value at the end"
        return f"{sentence}."
