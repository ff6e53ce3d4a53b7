"""The panel of comparisons: what only one side found, what both, and the labels behind a number."""

from __future__ import annotations

import time
from typing import Any

from fiftyone.operators import types
from fiftyone.operators.panel import Panel, PanelConfig

from ..dataset import comparisons
from ..dataset.chosen_images import all_images
from ..dataset.comparisons import BINS, Compared
from ..dataset.plurals import counted
from ..menu.compare import PANEL, Compare, summary
from ..work.comparing import last_change
from ..work.comparison_views import BOTH, DIFFERS, ONLY_ONE, ONLY_OTHER, view_of, what_changed
from .plots import NARROW, bars, bin_at, layout, stacked

_LOOK_AGAIN = 5_000
"""Milliseconds between two looks: comparisons are made, and labels changed, elsewhere, too."""

_MOST_CLASSES = 30
"""People can't read more names below a plot than this; the table has all."""

_PARTS = (ONLY_ONE, BOTH, DIFFERS, ONLY_OTHER)

_COLORS = {ONLY_ONE: "#4c9be8", BOTH: "#5bb974", DIFFERS: "#f2a93b", ONLY_OTHER: "#b07cdb"}


class ComparePanel(Panel):
    """One comparison: the one that was chosen last, or else the newest."""

    @property
    def config(self) -> PanelConfig:
        return PanelConfig(
            name=PANEL,
            label="premask compare",
            icon="compare",  # FiftyOne 1.22 shows no file of a plugin in the tab of a panel
            help_markdown="What two fields, or two runs, have in common. Click a bar, or a number.",
        )

    def on_load(self, ctx: Any) -> None:
        """Draw everything, whatever was drawn before."""
        ctx.panel.state.seen = None
        self.refresh(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        ctx.panel.state.chosen = None
        self.on_load(ctx)

    def refresh(self, ctx: Any) -> None:
        """Look whether there are other comparisons, or other labels, than were drawn."""
        if ctx.dataset is None:
            ctx.panel.state.titles = {}
            return
        kept = comparisons.kept(ctx.dataset)
        images = all_images(ctx.dataset)
        seen = [*kept, last_change(images), len(images), sorted(images.get_field_schema())]
        if seen == ctx.panel.state.seen:
            return
        if list(kept) != list(ctx.panel.state.titles or {}):
            if ctx.panel.state.seen:  # a new comparison is the one that people wait for
                ctx.panel.state.chosen = None
            ctx.panel.state.titles = {name: asked.title for name, asked in kept.items()}
        ctx.panel.state.seen = seen
        self._draw(ctx)

    def choose(self, ctx: Any) -> None:
        """Show another comparison."""
        ctx.panel.state.chosen = ctx.params["value"]
        self._draw(ctx)

    def compare(self, ctx: Any) -> None:
        """Open the form; filled in as it was, to compare what has changed."""
        params: dict[str, Any] = {}
        if ctx.params.get("again"):
            asked = comparisons.kept(ctx.dataset)[_chosen(ctx)]
            params = {"one": asked.one, "other": asked.other, "iou": asked.iou}
        uri = f"{self.plugin_name}/{Compare.own_name}"
        ctx.prompt(uri, params=params, on_success=self.refresh)

    def again(self, ctx: Any) -> None:
        ctx.params["again"] = True
        self.compare(ctx)

    def forget(self, ctx: Any) -> None:
        """Keep the labels, but no longer what they came to."""
        comparisons.forget(ctx.dataset, _chosen(ctx))
        self.on_load(ctx)

    def show_part(self, ctx: Any) -> None:
        """Show the patches of a bar of a class."""
        self._show(ctx, _PARTS[ctx.params["trace_idx"]], label=ctx.params["x"])

    def show_pairs(self, ctx: Any) -> None:
        """Show the pairs of a bar of IoUs."""
        self._show(ctx, BOTH, label=ctx.params["trace"], bin=bin_at(ctx.params["x"], BINS))

    def show_cell(self, ctx: Any) -> None:
        """Show the patches that a number of the table counts."""
        row, column = ctx.params["row"], ctx.params["column"]
        # The heads of the columns, in row -1, count all classes.
        label = None if row < 0 else ctx.panel.state.classes[row]
        self._show(ctx, _PARTS[column - 1] if 1 <= column <= len(_PARTS) else BOTH, label=label)

    def show_all(self, ctx: Any) -> None:
        """Back to the dataset."""
        ctx.ops.clear_view()

    def render(self, ctx: Any) -> types.Property:
        panel = types.Object()
        panel.view("clock", types.TimerView(interval=_LOOK_AGAIN, on_interval=self.refresh))
        if ctx.panel.state.titles:
            self._add_choice(panel, ctx)
            self._add_numbers(panel, ctx)
        else:
            panel.md(
                "### Nothing compared yet\nChoose two fields, two runs, or a run and a person's "
                "labels: this panel shows what only one found, what both, and how well they agree."
            )
            panel.btn("first", label="Compare", variant="contained", on_click=self.compare)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, pad=2))

    def _draw(self, ctx: Any) -> None:
        if not ctx.panel.state.titles:
            return
        compared = comparisons.load(ctx.dataset, _chosen(ctx))
        ctx.panel.state.changed = what_changed(ctx.dataset, compared)
        ctx.panel.state.said = _said(compared)
        ctx.panel.state.sides = list(compared.question.titles)
        ctx.panel.state.classes = [row["class"] for row in compared.rows]
        ctx.panel.state.has_pairs = bool(compared.histogram)
        shown = sorted(compared.rows, key=lambda row: -sum(row[part] for part in _PARTS))
        shown = shown[:_MOST_CLASSES]
        names = [row["class"] for row in shown]
        titles = _part_titles(compared.question.titles)
        ctx.panel.set_data(
            "parts",
            [
                bars(
                    titles[part],
                    names,
                    [row[part] for row in shown],
                    marker={"color": _COLORS[part]},
                )
                for part in _PARTS
            ],
        )
        ctx.panel.set_data("ious", stacked(compared.histogram, BINS))
        ctx.panel.set_data("rows", [_row(row) for row in compared.rows])

    def _show(self, ctx: Any, part: str, *, label: str | None, bin: int | None = None) -> None:
        compared = comparisons.load(ctx.dataset, _chosen(ctx))
        shown = view_of(ctx.dataset, compared, part, label, bin)
        what = _part_titles(compared.question.titles)[part] + (f", {label}" if label else "")
        if not shown.found:
            ctx.ops.notify(f"{what}: there are none.", variant="info")
            return
        ctx.ops.set_view(view=shown.view)
        more = f", the first {shown.shown:,} of them" if shown.shown < shown.found else ""
        ctx.ops.notify(f"{what}: {counted(shown.found, 'object')}{more}", variant="info")

    def _add_choice(self, panel: types.Object, ctx: Any) -> None:
        titles = ctx.panel.state.titles
        if len(titles) > 1:
            view = types.DropdownView(label="Comparison")
            for name, title in titles.items():
                view.add_choice(name, label=title)
            panel.str("chosen", view=view, default=_chosen(ctx), on_change=self.choose)
        if ctx.panel.state.changed:
            panel.define_property(
                "changed",
                types.String(),
                view=types.Warning(
                    label="These numbers are not those of the labels any more",
                    description=f"{ctx.panel.state.changed} Compare again.",
                ),
            )
        panel.md(ctx.panel.state.said, name="said")
        actions = panel.h_stack("actions", gap=2)
        actions.btn("again", label="Compare again", variant="contained", on_click=self.again)
        actions.btn("compare", label="Compare others", variant="outlined", on_click=self.compare)
        actions.btn("all", label="Show all images", variant="outlined", on_click=self.show_all)
        actions.btn("forget", label="Forget", variant="outlined", on_click=self.forget)

    def _add_numbers(self, panel: types.Object, ctx: Any) -> None:
        titles = _part_titles(ctx.panel.state.sides)
        legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.15, "yanchor": "top"}
        panel.plot(
            "parts",
            layout=layout("By class", barmode="stack", showlegend=True, legend=legend),
            on_click=self.show_part,
        )
        if ctx.panel.state.has_pairs:
            shape = layout("IoU of pairs", barmode="stack", showlegend=True, legend=legend)
            shape["xaxis"] = {"range": [0, 1]}
            panel.plot("ious", layout=shape, on_click=self.show_pairs)
        table = types.TableView(on_click_cell=self.show_cell, componentsProps=NARROW)
        table.add_column("class", label="Class")
        for part in _PARTS:
            table.add_column(part, label=titles[part])
        table.add_column("mean IoU", label="Mean IoU")
        panel.list("rows", types.Object(), view=table)


def _chosen(ctx: Any) -> str:
    """The comparison that was chosen last, if the dataset still keeps it, or the newest one."""
    names: list[str] = list(ctx.panel.state.titles)
    chosen: str = ctx.panel.state.chosen or ""
    return chosen if chosen in names else names[0]


def _part_titles(sides: Any) -> dict[str, str]:
    one, other = sides
    return {
        ONLY_ONE: f"Only {one}",
        BOTH: "Both",
        DIFFERS: "Another class",
        ONLY_OTHER: f"Only {other}",
    }


def _said(compared: Compared) -> str:
    """What was compared, when, and what came of it, in Markdown."""
    question, (one, other) = compared.question, compared.question.titles
    where = "a view" if question.stages else "the dataset"
    at = time.strftime("%b %d %H:%M", time.localtime(compared.at))
    lines = [
        f"**{one}** with **{other}**, from an IoU of {question.iou:g} on, in {where}, {at}",
        summary(compared),
    ]
    if compared.left_out:
        images = counted(compared.left_out, "image")
        lines.append(f"{images} left out, which only one side, or none, has looked at.")
    if compared.unmasked:
        objects = counted(compared.unmasked, "object")
        lines.append(f"{objects} without a mask: of these boxes are compared.")
    if compared.failures:
        path, why = next(iter(compared.failures.items()))
        failed = counted(len(compared.failures), "image")
        lines.append(f"{failed} can't be read, such as `{path}`: {why}")
    return "\n\n".join(lines)


def _row(row: comparisons.Row) -> comparisons.Row:
    """A row of the table; 0.5 as text, and no number where there is none."""
    mean = row["mean IoU"]
    shown = {name: row[name] for name in ("class", *_PARTS)}
    return shown | {"mean IoU": "" if mean is None else f"{mean:.3f}"}
