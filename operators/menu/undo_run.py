"""Undo labeling: take away what a run wrote, after a look at what that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from ..dataset import history
from ..dataset.plurals import counted
from ..forms.parameters import parameter
from ..work.undo import undo
from .declared_operator import DeclaredOperator


@dataclass(frozen=True, slots=True)
class UndoParameters:
    """The run whose labels are removed."""

    run_id: str = parameter(label="Run")


class UndoRun(DeclaredOperator):
    """Nothing but what the run wrote goes, and nothing that a person has changed since."""

    own_name: ClassVar[str] = "undo_run"
    label: ClassVar[str] = "Undo labeling"
    description: ClassVar[str] = "Remove what a run of premask wrote, and nothing else"
    parameters: ClassVar[type] = UndoParameters

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        undoable = {
            run.name: run for run in history.last_runs(ctx.dataset) if run.state != "undone"
        }
        if undoable:
            newest = next(iter(undoable))
            view = types.DropdownView(label="Run")
            for name, run in undoable.items():
                view.add_choice(name, label=run.title, description=run.summary)
            inputs.enum("run_id", view.values(), default=newest, required=True, view=view)
            chosen = undoable.get(ctx.params.get("run_id") or newest)
            if chosen:
                inputs.view("consequence", _consequence(chosen))
        else:
            inputs.view("none", types.Notice(label="There is no run of premask to undo."))
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        undone = undo(ctx.dataset, ctx.params.get("run_id", ""))
        kept = f", {counted(undone.kept, 'label')} kept that somebody has changed"
        summary = f"{counted(undone.removed, 'label')} removed{kept if undone.kept else ''}."
        ctx.ops.reload_dataset()
        ctx.ops.notify(summary, variant="success")
        return {**asdict(undone), "summary": summary}


def _consequence(run: history.Run) -> types.View:
    if run.state == "running":
        return types.Warning(
            label="This run has not ended",
            description="Cancel it first, unless its process is gone: then undo what it wrote.",
        )
    staying = (
        f" It added {counted(run.new_samples, 'sample')}: these stay." if run.new_samples else ""
    )
    return types.Notice(
        label=f"Removes {counted(run.annotations, 'annotation')} "
        f"from {counted(run.labeled, run.thing)}",
        description="Labels that somebody has changed or tagged since then stay. What the run "
        f"replaced does not come back.{staying}",
    )
