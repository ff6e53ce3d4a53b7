"""Cancel run: ask a run, in this process or another, to stop after what it is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fiftyone.operators import types

from ..dataset import history
from ..forms.parameters import parameter
from .declared_operator import DeclaredOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelParameters:
    """The run that is to stop."""

    run_id: str | None = parameter(None, "Runs under way")


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
        if under_way := view.values():
            inputs.enum("run_id", under_way, default=under_way[0], required=True, view=view)
        else:
            inputs.view("none", types.Notice(label="No run of premask is under way."))
        return types.Property(inputs, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> None:
        # The form has no field where no run is under way.
        if ctx.params.get("run_id"):
            history.cancel(ctx.store(history.METHOD), ctx.params["run_id"])
