"""The panel: what ran on a dataset, what it found, run it again, undo it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from fiftyone import ViewField
from fiftyone.operators import types
from fiftyone.operators.panel import Panel, PanelConfig

from ..dataset import history
from ..dataset.plurals import counted
from ..dataset.run_counts import BINS, RunCounts, count_labels, label_field_of, labels_of_run
from ..forms.recipe_form import filled_in
from .label_samples import LabelSamples

_LOOK_AGAIN = 5_000
"""Milliseconds between two looks: what runs in the background does not tell the App."""

_FAILURES_SHOWN = 100

_COLUMNS = {
    "when": "Started",
    "work": "Recipe",
    "state": "State",
    "images": "Images or frames",
    "annotations": "Labels",
}

# FiftyOne 1.22 makes tables wider than a panel of half the screen.
_NARROW = {"table": {"sx": {"minWidth": 0}}}


class RunsPanel(Panel):
    """The history in a table; the run that was clicked last, or else the newest, below it."""

    @property
    def config(self) -> PanelConfig:
        return PanelConfig(
            name="premask_runs",
            label="premask runs",
            icon="history",  # FiftyOne 1.22 shows no file of a plugin in the tab of a panel
            help_markdown="What premask wrote into this dataset, and when.",
        )

    def on_load(self, ctx: Any) -> None:
        """Draw everything, whatever was drawn before."""
        ctx.panel.state.rows = None
        self.refresh(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        ctx.panel.state.chosen = None
        self.on_load(ctx)

    def refresh(self, ctx: Any) -> None:
        """Read the history; count anew only if something has happened."""
        rows = [_row(run) for run in history.last_runs(ctx.dataset)] if ctx.dataset else []
        if rows != ctx.panel.state.rows:
            ctx.panel.state.rows = rows
            ctx.panel.set_data("history", rows)
            self._show_chosen(ctx)

    def choose(self, ctx: Any) -> None:
        """Show the run whose row was clicked."""
        ctx.panel.state.chosen = ctx.panel.state.rows[ctx.params["row"]]["name"]
        self._show_chosen(ctx)

    def run_again(self, ctx: Any) -> None:
        """Open the form filled in as it was; samples that are labeled so already are skipped."""
        run = _chosen(ctx)
        params = filled_in({**run.params, "recipe": run.recipe}) if run.recipe else run.params
        ctx.prompt(run.operator, params=params, on_success=self.refresh)

    def cancel(self, ctx: Any) -> None:
        """Ask the run to stop; what is labeled stays."""
        chosen = _chosen(ctx)
        history.cancel(ctx.dataset, ctx.store(history.METHOD), chosen.name)
        ctx.ops.notify(f"It stops after the {chosen.thing}s that it is at.", variant="info")
        self.refresh(ctx)

    def undo(self, ctx: Any) -> None:
        """Open the form that says what would be removed."""
        params = {"run_id": _chosen(ctx).name}
        ctx.prompt(f"{self.plugin_name}/undo_run", params=params, on_success=self.refresh)

    def label(self, ctx: Any) -> None:
        """Open the form of *Label samples*, with which people begin."""
        uri = f"{self.plugin_name}/{LabelSamples.own_name}"
        ctx.prompt(uri, on_success=self.refresh)

    def show(self, ctx: Any) -> None:
        """Show only this run's labels in the grid; of one class if that class's bar was clicked."""
        run = _chosen(ctx)
        place = label_field_of(ctx.dataset, run)
        if place is None:
            return
        view = labels_of_run(ctx.dataset, run, place)
        if ctx.params.get("x") is not None:
            view = view.filter_labels(place, ViewField("label") == ctx.params["x"])
        ctx.ops.set_view(view=view)

    def render(self, ctx: Any) -> types.Property:
        panel = types.Object()
        panel.view("clock", types.TimerView(interval=_LOOK_AGAIN, on_interval=self.refresh))
        if ctx.panel.state.rows:
            self._add_history(panel)
            self._add_run(panel, _chosen(ctx), ctx.panel.state.plots or ())
        else:
            panel.md("### No runs yet\nWhat premask writes into this dataset is listed here.")
            panel.btn("label", label="Label samples", variant="contained", on_click=self.label)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, pad=2))

    def _show_chosen(self, ctx: Any) -> None:
        """Count what the run found."""
        if not ctx.panel.state.rows:
            return
        run = _chosen(ctx)
        found = count_labels(ctx.dataset, run)
        ctx.panel.state.plots = list(_plots(found))
        for name, traces in _plots(found).items():
            ctx.panel.set_data(name, traces)
        failures = list(run.failures.items())[:_FAILURES_SHOWN]
        ctx.panel.set_data("failures", [_failure_row(*failure) for failure in failures])

    def _add_history(self, panel: types.Object) -> None:
        table = types.TableView(on_click_row=self.choose, componentsProps=_NARROW)
        for key, words in _COLUMNS.items():
            table.add_column(key, label=words)
        panel.list("history", types.Object(), view=table)

    def _add_run(self, panel: types.Object, run: history.Run, plots: Any) -> None:
        panel.md(_details(run), name="details")
        self._add_actions(panel, run, has_labels="classes" in plots)
        if run.failures:
            label = f"{counted(run.failed, 'clip' if run.thing == 'frame' else run.thing)} failed"
            table = types.TableView(label=label, componentsProps=_NARROW)
            table.add_column("image", label="File")
            table.add_column("why", label="Why")
            panel.list("failures", types.Object(), view=table)
        if "classes" in plots:
            panel.plot("classes", layout=_layout("Labels by class"), on_click=self.show)
        if "scores" in plots:
            layout = _layout("Labels by score") | {"barmode": "stack"}
            panel.plot("scores", layout=layout)

    def _add_actions(self, panel: types.Object, run: history.Run, *, has_labels: bool) -> None:
        actions = panel.h_stack("actions", gap=2)
        if run.state == "running":
            actions.btn("cancel", label="Cancel", variant="contained", on_click=self.cancel)
        actions.btn("again", label="Run again", variant="contained", on_click=self.run_again)
        if run.state != "undone":
            actions.btn("undo", label="Undo", variant="outlined", on_click=self.undo)
        if has_labels:
            actions.btn("show", label="Show its labels", variant="outlined", on_click=self.show)


def _chosen(ctx: Any) -> history.Run:
    """The run that was clicked last, if it is still listed, or the newest one."""
    names = [row["name"] for row in ctx.panel.state.rows]
    chosen = ctx.panel.state.chosen
    return history.load(ctx.dataset, chosen if chosen in names else names[0])


def _failure_row(path: str, reason: str) -> dict[str, str]:
    # Many reasons begin with the path, which has a column of its own.
    return {"image": path, "why": reason.removeprefix(repr(path)).lstrip()}


def _row(run: history.Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "when": time.strftime("%b %d %H:%M", time.localtime(run.started)),
        "work": run.work,
        "state": f"{run.state}, {run.seconds:,.1f}\N{NO-BREAK SPACE}s",
        "images": f"{run.labeled:,}" + (f", {run.failed:,} failed" if run.failed else ""),
        "annotations": f"{run.annotations:,}",
    }


def _details(run: history.Run) -> str:
    """Describe what ran and how it went, in Markdown."""
    how = {
        "running": "is running",
        "stopped": "has stopped, as its process has ended. Run it again: it goes on from there",
        "failed": f"failed: {run.error}",
    }.get(run.state, run.state)
    fields = ", ".join(f"`{field}` ({kind})" for field, kind in run.fields.items())
    # The recipe's stages as it was run, without its name and its help, which stand elsewhere.
    lines = run.settings.splitlines()
    stages = [line for line in lines if line and not line.startswith(("[", "help ="))]
    paragraphs = [
        f"**{run.title}**: {how}",
        f"{run.seconds:,.1f} seconds: {run.summary}",
        f"Field: {fields}",
        *(f"`{line}`" for line in stages),
    ]
    return "\n\n".join(paragraphs)


def _plots(found: RunCounts) -> Mapping[str, list[dict[str, Any]]]:
    """Make Plotly's traces of the plots that have something to show."""
    middles = [round((number + 0.5) / BINS, 3) for number in range(BINS)]
    counts: dict[str, Any] = {
        "type": "bar",
        "x": list(found.counts),
        "y": list(found.counts.values()),
        "width": 0.6,
    }
    scores = [
        {"type": "bar", "name": name, "x": middles, "y": counts}
        for name, counts in found.scores.items()
    ]
    plots = {"classes": [counts] if found.counts else [], "scores": scores}
    return {name: traces for name, traces in plots.items() if traces}


def _layout(title: str) -> dict[str, Any]:
    # FiftyOne 1.22 cuts the title off, and draws plots wider than a panel of half the screen.
    margin = {"t": 50, "r": 10, "b": 40, "l": 40}
    return {"title": {"text": title}, "margin": margin, "width": 480}
