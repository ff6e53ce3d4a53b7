"""Undo labeling: take away what a run wrote, after a look at what that is."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset import history
from ..dataset.plurals import counted
from ..work.undo import Undone, undo
from .python_call import call


class UndoRun(foo.Operator):
    """Nothing but what the run wrote goes, and nothing that a person has changed since."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="undo_run",
            label="Undo labeling",
            description="Remove what a run of premask wrote, and nothing else",
            icon="/operators/assets/icon.svg",
            dynamic=True,
            allow_delegated_execution=True,
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """A choice of runs, and what will become of their labels."""
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
        return types.Property(inputs, view=types.View(label="Undo labeling"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Undo it, and say how much that was."""
        undone = undo(ctx.dataset, ctx.params.get("run_id", ""))
        summary = _summary(undone)
        ctx.ops.reload_dataset()
        ctx.ops.notify(summary, variant="success")
        return {"removed": undone.removed, "kept": undone.kept, "summary": summary}

    def __call__(self, samples: Any, run_id: str) -> Any:
        """Undo a run of this dataset."""
        return call(self, samples, {"run_id": run_id})


def _consequence(run: history.Run) -> types.View:
    if run.state == "running":
        return types.Warning(
            label="This run has not ended",
            description="Cancel it first, unless its process is gone: then undo what it wrote.",
        )
    return types.Notice(
        label=f"Removes {counted(run.annotations, 'annotation')} "
        f"from {counted(run.labeled, 'image')}",
        description="Labels that somebody has changed or tagged since then stay. What the run "
        f"replaced does not come back.{_staying(run)}",
    )


def _staying(run: history.Run) -> str:
    return f" It added {counted(run.new_samples, 'sample')}: these stay." if run.new_samples else ""


def _summary(undone: Undone) -> str:
    kept = f", {counted(undone.kept, 'label')} kept that somebody has changed"
    return f"{counted(undone.removed, 'label')} removed{kept if undone.kept else ''}."
