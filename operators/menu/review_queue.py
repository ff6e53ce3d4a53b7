"""Review queue: a saved view of samples, the most doubtful ones first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ..dataset.plurals import counted
from ..dataset.reading import readable_fields
from ..forms.outcomes import watcher
from ..forms.parameters import ParameterForm, parameter
from ..work.review import FIELDS, MEASURES, SCORE, Queue, review_queue
from .result_operator import ResultOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueParameters:
    """Which labels, and what makes them doubtful."""

    label_field: str = parameter(label="Labels")
    by: str = parameter(SCORE, "What comes first", choices=MEASURES)
    other_field: str | None = parameter(None, "Compared with")
    name: str = parameter("review", "Name of the view")


class ReviewQueue(ResultOperator):
    """Samples leave the queue when they are accepted or rejected.

    From Python, the result's `result` names the view and its field.
    """

    own_name: ClassVar[str] = "review_queue"
    label: ClassVar[str] = "Review queue"
    description: ClassVar[str] = "Save a view of the samples that most need a person's eyes"
    parameters: ClassVar[type] = QueueParameters
    target_action: ClassVar[str] = "Queue up"
    heading: ClassVar[str] = "Queued"
    many: ClassVar[int] = 5_000

    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        fields = readable_fields(samples)
        form.add("label_field", choices=fields, default=next(iter(fields), None))
        form.add("by", required=True)
        if ctx.params.get("by") == FIELDS:
            form.add("other_field", choices=fields, required=True)
        form.add("name", required=True)

    def work(self, ctx: Any, samples: Any, parameters: QueueParameters) -> Queue:
        return review_queue(samples, **asdict(parameters), on_progress=watcher(ctx))

    def show(self, ctx: Any, result: Queue) -> None:
        super().show(ctx, result)
        # By its stages: FiftyOne 1.22's App asks for a saved view by name before it has reloaded.
        ctx.ops.set_view(view=ctx.dataset.load_saved_view(result.view))

    def summary(self, result: Queue) -> str:
        sentence = f"{counted(result.samples, 'sample')} to review in the view '{result.view}'"
        if result.unmeasured:
            sentence += f", {result.unmeasured:,} without a label that has such a value"
        return f"{sentence}."
