"""Judge a label of a queue, and close a queue: what the review panel does, to be called by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset.plurals import counted
from ..dataset.provenance import ACCEPTED, REJECTED
from ..forms.parameters import parameter, read
from ..work.label_queue import close_queue, load_queue
from ..work.label_review import LabelReview, progress
from .declared_operator import DeclaredOperator

UNDO = "undo"

_VERDICTS = {
    ACCEPTED: "It is right, and a person's from now on",
    REJECTED: "It is wrong, and deleted when the queue is closed",
    UNDO: "Take back the reviewer's last verdict",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictParameters:
    """What is said of which label; by default of the one that comes next."""

    verdict: str = parameter(label="Verdict", choices=_VERDICTS)
    label_id: str | None = parameter(None, "Label")
    reviewer: str | None = parameter(None, "Reviewer")
    name: str | None = parameter(None, "Queue")


class JudgeLabel(DeclaredOperator):
    """From Python: the next label of a queue, or one of it, is accepted or rejected, or undone.

    The result's `result` says how far the queue is, and which labels come next.
    """

    own_name: ClassVar[str] = "judge_label"
    label: ClassVar[str] = "premask: Judge a label"
    description: ClassVar[str] = "Accept or reject a label of a review queue, or undo that"
    parameters: ClassVar[type] = VerdictParameters
    can_run_in_background: ClassVar[bool] = False

    @property
    def config(self) -> foo.OperatorConfig:
        config = super().config
        # In the App there is the panel for it.
        config.unlisted = True
        return config

    def execute(self, ctx: Any) -> dict[str, Any]:
        given = read(VerdictParameters, ctx.params)
        review = LabelReview(ctx.dataset, given.name, given.reviewer or "")
        label_id, said = given.label_id, ""
        if given.verdict == UNDO:
            undone = review.undo()
            label_id = undone.label_id if undone else None
            said = "Taken back." if undone else "There is no verdict to take back."
        else:
            upcoming = review.state().upcoming
            label_id = label_id or (upcoming[0].label_id if upcoming else None)
            said = review.judge(label_id, given.verdict) if label_id else "All labels are judged."
        state = review.state(most=10)
        counts = {"total": state.total, "accepted": state.accepted, "rejected": state.rejected}
        upcoming_labels = [
            {**asdict(label), "reviewed": None, "field": label.field} for label in state.upcoming
        ]
        return {
            **counts,
            "label_id": label_id,
            "upcoming": upcoming_labels,
            "summary": f"{said} {progress(state)}",
        }


@dataclass(frozen=True, slots=True)
class CloseParameters:
    """The queue that is closed; by default the newest."""

    name: str | None = parameter(None, "Queue")


class CloseReview(DeclaredOperator):
    """Accepted labels stay, and those without a verdict."""

    own_name: ClassVar[str] = "close_review"
    label: ClassVar[str] = "Close a review"
    description: ClassVar[str] = "Delete the labels that were rejected in a queue, and the queue"
    parameters: ClassVar[type] = CloseParameters
    can_run_in_background: ClassVar[bool] = False

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        queue = load_queue(ctx.dataset, ctx.params.get("name"))
        state = LabelReview(ctx.dataset, queue.name).state()
        inputs.view(
            "consequence",
            types.Warning(
                label=f"Deletes {counted(state.rejected, 'rejected label')} for good",
                description=f"Queue '{queue.name}': {progress(state)}. Accepted labels stay, and "
                f"the {state.pending:,} without a verdict. There is no undo after this.",
            ),
        )
        inputs.str("name", default=queue.name, view=types.HiddenView())
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        removed = close_queue(ctx.dataset, ctx.params.get("name"))
        summary = f"{counted(removed, 'rejected label')} deleted."
        ctx.ops.reload_dataset()
        ctx.ops.notify(summary, variant="success")
        return {"removed": removed, "summary": summary}
