"""Cancel run: ask a run, in this process or another, to stop after what it is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bson import ObjectId
from fiftyone.operators import types

from ..dataset import history
from ..dataset.background import cancel_waiting, operations
from ..forms.parameters import parameter, read
from .declared_operator import DeclaredOperator

_NOTHING = "No run of premask is under way."


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelParameters:
    """The run that is to stop."""

    run_id: str = parameter(label="Runs under way")


class CancelRun(DeclaredOperator):
    """What is labeled stays; the next run with the same settings goes on from there."""

    own_name: ClassVar[str] = "cancel_run"
    label: ClassVar[str] = "Cancel labeling"
    description: ClassVar[str] = "Stop a run of premask; what is labeled stays"
    parameters: ClassVar[type] = CancelParameters
    is_dynamic: ClassVar[bool] = False
    can_run_in_background: ClassVar[bool] = False

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        view = types.RadioGroup(label="Runs under way")
        for run in history.last_runs(ctx.dataset):
            if run.state == "running":
                view.add_choice(run.name, label=f"{run.title}: {run.summary} so far")
        for waiting in operations(ctx.dataset, f"{self.plugin_name}/", known=()):
            if waiting.is_waiting:
                view.add_choice(waiting.id, label=f"{waiting.operator}: waits in the background")
        if under_way := view.values():
            inputs.enum("run_id", under_way, default=under_way[0], required=True, view=view)
        else:
            nothing = types.Notice(label=_NOTHING)
            inputs.define_property(
                "none", types.String(), view=nothing, invalid=True, error_message=_NOTHING
            )
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        run_id = read(CancelParameters, ctx.params).run_id
        if ObjectId.is_valid(run_id) and cancel_waiting(run_id):  # names of runs are none
            ctx.ops.notify("It will not begin.", variant="success")
            return {"state": "cancelled", "summary": "It will not begin."}
        run = history.cancel(ctx.dataset, ctx.store(history.METHOD), run_id)
        summary = {
            "running": f"{run.title} stops after the images that it is at.",
            "cancelled": f"{run.title} is cancelled.",
        }.get(run.state, f"{run.title} has ended before: {run.state}.")
        ctx.ops.notify(summary, variant="success")
        return {"state": run.state, "summary": summary}
