"""Cancel run: ask a run, in this process or another, to stop after what it is at."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset import history


class CancelRun(foo.Operator):
    """What is labeled stays; the next run with the same settings goes on from there."""

    @property
    def config(self) -> foo.OperatorConfig:
        """How FiftyOne shows it."""
        return foo.OperatorConfig(
            name="cancel_run",
            label="Cancel labeling",
            description="Stop a run of premask; what is labeled stays",
            icon="/operators/assets/icon.svg",
        )

    def resolve_input(self, ctx: Any) -> types.Property:
        """A choice of the runs that are under way."""
        inputs = types.Object()
        view = types.RadioGroup(label="Runs under way")
        for run in history.last_runs(ctx.dataset):
            if run.state == "running":
                view.add_choice(run.name, label=f"{run.title}: {run.summary} so far")
        if under_way := view.values():
            inputs.enum("run_id", under_way, default=under_way[0], required=True, view=view)
        else:
            inputs.view("none", types.Notice(label="No run of premask is under way."))
        return types.Property(inputs, view=types.View(label="Cancel labeling"))

    def execute(self, ctx: Any) -> None:
        """Leave word for the run."""
        if ctx.params.get("run_id"):
            history.cancel(ctx.store(history.METHOD), ctx.params["run_id"])
