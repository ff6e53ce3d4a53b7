"""`premask compare`: where two sets of labels of the same images differ."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from premask.cli.comparison_flags import add_comparison_flags, rows_table, tell
from premask.datasets.differences import Differences, compare
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, number_text, printable, table

if TYPE_CHECKING:
    from premask.report.comparison_report import ComparisonPage

_SHOWN = 10


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    command = commands.add_parser("compare", help="show where two sets of labels differ")
    add = command.add_argument
    add("one", type=Path, metavar="ONE", help="labels in any format, or the folder of a run")
    add("other", type=Path, metavar="OTHER", help="other labels of the same images")
    add_comparison_flags(command)
    command.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> int:
    line = ProgressLine()
    try:
        result = compare(
            options.one,
            options.other,
            options.images,
            iou=options.iou,
            common_only=options.common,
            on_progress=line,
        )
    finally:
        line.end()
    tell(result, lambda: _text(result), lambda: _page(result), "comparison.html", options)
    return 0


def _text(result: Differences) -> str:
    totals = [(name, number_text(value)) for name, value in result.totals.items()]
    parts = [table(totals, (f"{result.one} (one), {result.other} (other)", ""))]
    if result.classes:
        parts.append(rows_table(result.classes, result.classes[0].keys()))
    worst = [image for image in result.images if image.disagreement > 0][:_SHOWN]
    if worst:
        cells = [
            (
                printable(image.name),
                number_text(image.disagreement),
                number_text(len(image.agreed)),
                number_text(len(image.differing)),
                number_text(len(image.alone)),
                number_text(len(image.others_alone)),
            )
            for image in worst
        ]
        heads = ("differs the most", "by", "both", "another class", "only one", "only other")
        parts.append(table(cells, heads))
    return "\n\n".join((*parts, *result.notes))


def _page(result: Differences) -> ComparisonPage:
    from premask.report.comparison_report import ComparisonPage

    names = Path(result.one).name, Path(result.other).name
    one, other = names if names[0] != names[1] else (result.one, result.other)
    return ComparisonPage(
        title=f"{one} and {other}",
        one=one,
        other=other,
        facts={"one": result.one, "other": result.other},
        numbers={name: number_text(value) for name, value in result.totals.items()},
        images=result.images,
        notes=result.notes,
        tables=[("Classes", result.classes)],
        labels=result.labels,
        confusion=result.confusion,
    )
