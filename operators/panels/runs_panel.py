"""The panel: what ran on a dataset, what it found, run it again, undo it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fiftyone import ViewField
from fiftyone.operators import types
from fiftyone.operators.panel import Panel, PanelConfig

from ..dataset import background, history, run_log
from ..dataset.plurals import counted
from ..dataset.run_counts import BINS, RunCounts, count_labels, label_field_of, labels_of_run
from ..forms.recipe_form import filled_in
from ..menu.label_samples import LabelSamples
from .plots import NARROW, Trace, bars, bin_at, layout, stacked
from .run_words import COLUMNS, details, failure_row, operation_row, row_of

_LOOK_AGAIN = 5_000
"""Milliseconds between two looks: what runs in the background does not tell the App."""

_FAILURES_SHOWN = 100


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
        ctx.panel.state.rows = ctx.panel.state.waiting_rows = None
        self.refresh(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        ctx.panel.state.chosen = None
        self.on_load(ctx)

    def refresh(self, ctx: Any) -> None:
        """Read the history; count anew only if something has happened."""
        runs = history.last_runs(ctx.dataset) if ctx.dataset else []
        self._look_behind(ctx, runs)
        rows = [row_of(run) for run in runs]
        if rows != ctx.panel.state.rows:
            ctx.panel.state.rows = rows
            ctx.panel.set_data("history", rows)
            self._show_chosen(ctx)
        self._read_log(ctx)

    def choose(self, ctx: Any) -> None:
        """Show the run whose row was clicked."""
        ctx.panel.state.chosen = ctx.panel.state.rows[ctx.params["row"]]["name"]
        self._show_chosen(ctx)
        self._read_log(ctx)

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

    def cancel_waiting(self, ctx: Any) -> None:
        """Take out of the queue what has not begun."""
        chosen = ctx.panel.state.waiting[ctx.params["row"]]
        if background.cancel_waiting(chosen):
            ctx.ops.notify("It will not begin.", variant="info")
        else:
            ctx.ops.notify("It does not wait any more.", variant="warning")
        self.refresh(ctx)

    def toggle_log(self, ctx: Any) -> None:
        """Show what the run says, or hide it again."""
        ctx.panel.state.has_log = not ctx.panel.state.has_log
        self._read_log(ctx)

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
        name = ctx.params.get("x")
        self._show_labels(ctx, None if name is None else ViewField("label") == name)

    def show_scores(self, ctx: Any) -> None:
        """Show the labels of a class and a bar of scores."""
        number = bin_at(ctx.params["x"], BINS)
        chosen = ViewField("confidence") >= number / BINS
        if number < BINS - 1:  # a score of 1 belongs to the last bar
            chosen &= ViewField("confidence") < (number + 1) / BINS
        self._show_labels(ctx, chosen & (ViewField("label") == ctx.params["trace"]))

    def render(self, ctx: Any) -> types.Property:
        panel = types.Object()
        panel.view("clock", types.TimerView(interval=_LOOK_AGAIN, on_interval=self.refresh))
        if ctx.panel.state.waiting:
            self._add_waiting(panel, ctx)
        if ctx.panel.state.rows:
            self._add_history(panel)
            self._add_run(panel, _chosen(ctx), ctx.panel.state.plots or ())
            self._add_log(panel, ctx)
        else:
            panel.md("### No runs yet\nWhat premask writes into this dataset is listed here.")
            panel.btn("label", label="Label samples", variant="contained", on_click=self.label)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, pad=2))

    def _show_labels(self, ctx: Any, chosen: Any = None) -> None:
        run = _chosen(ctx)
        place = label_field_of(ctx.dataset, run)
        if place is not None:
            view = labels_of_run(ctx.dataset, run, place)
            view = view if chosen is None else view.filter_labels(place, chosen)
            ctx.ops.set_view(view=view)

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
        ctx.panel.set_data("failures", [failure_row(*failure) for failure in failures])

    def _look_behind(self, ctx: Any, runs: list[history.Run]) -> None:
        """See what FiftyOne's queue has for this dataset that is in no history yet."""
        known = {run.operation for run in runs}
        prefix = f"{self.plugin_name}/"
        found = background.operations(ctx.dataset, prefix, known) if ctx.dataset else []
        rows = [operation_row(one) for one in found]
        if rows != ctx.panel.state.waiting_rows:
            ctx.panel.state.waiting_rows = rows
            ctx.panel.state.waiting = [one.id for one in found]
            ctx.panel.state.can_cancel = [one.is_waiting for one in found]
            ctx.panel.set_data("waiting", rows)

    def _read_log(self, ctx: Any) -> None:
        shown = ctx.panel.state.has_log and ctx.panel.state.rows
        lines = run_log.lines_of(ctx.dataset, _chosen(ctx).name) if shown else []
        ctx.panel.state.log = "\n".join(lines)

    def _add_waiting(self, panel: types.Object, ctx: Any) -> None:
        view = types.TableView(label="In the background", componentsProps=NARROW)
        view.add_column("operation", label="Operation")
        view.add_column("what", label="State")
        rows = list(ctx.panel.state.can_cancel)
        view.add_row_action("cancel", self.cancel_waiting, label="Cancel", rows=rows)
        panel.list("waiting", types.Object(), view=view)

    def _add_log(self, panel: types.Object, ctx: Any) -> None:
        shown = ctx.panel.state.has_log
        label = "Hide the log" if shown else "Show the log"
        panel.btn("toggle_log", label=label, variant="outlined", on_click=self.toggle_log)
        if shown:
            lines = ctx.panel.state.log or "It has said nothing."
            panel.md(f"```\n{lines}\n```", name="log")

    def _add_history(self, panel: types.Object) -> None:
        table = types.TableView(on_click_row=self.choose, componentsProps=NARROW)
        for key, words in COLUMNS.items():
            table.add_column(key, label=words)
        panel.list("history", types.Object(), view=table)

    def _add_run(self, panel: types.Object, run: history.Run, plots: Any) -> None:
        panel.md(details(run), name="details")
        self._add_actions(panel, run, has_labels="classes" in plots)
        if run.failures:
            label = f"{counted(run.failed, 'clip' if run.thing == 'frame' else run.thing)} failed"
            table = types.TableView(label=label, componentsProps=NARROW)
            table.add_column("image", label="File")
            table.add_column("why", label="Why")
            panel.list("failures", types.Object(), view=table)
        if "classes" in plots:
            panel.plot("classes", layout=layout("Labels by class"), on_click=self.show)
        if "scores" in plots:
            shape = layout("Labels by score", barmode="stack")
            panel.plot("scores", layout=shape, on_click=self.show_scores)

    def _add_actions(self, panel: types.Object, run: history.Run, *, has_labels: bool) -> None:
        actions = panel.h_stack("actions", gap=2)
        # FiftyOne goes on calling an operation running whose process was killed.
        if run.state == "running" or (run.state == "stopped" and run.operation):
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


def _plots(found: RunCounts) -> Mapping[str, list[Trace]]:
    """Make Plotly's traces of the plots that have something to show."""
    counts = bars("labels", list(found.counts), list(found.counts.values()), width=0.6)
    plots = {"classes": [counts] if found.counts else [], "scores": stacked(found.scores, BINS)}
    return {name: traces for name, traces in plots.items() if traces}
