"""`premask evaluate`: how good labels are, measured with true ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from premask.cli.comparison_flags import add_comparison_flags, rows_table, tell
from premask.datasets.evaluation import KINDS, Evaluation, evaluate
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, number_text, table

if TYPE_CHECKING:
    from premask.report.comparison_report import ComparisonPage

_OBJECT_COLUMNS = (
    *("class", "true", "found", "hits", "precision", "recall", "F1"),
    *("mean IoU", "threshold", "AP", "AP50"),
)
"""What a terminal shows; the report and --json have all there is."""

_FIRST = ("images", "AP", "AP50", "AP75", "PQ", "mIoU", "cgF1", "precision", "recall", "F1", "SAD")
"""What stands in large letters at the top of the report, where it was measured."""


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    command = commands.add_parser("evaluate", help="measure labels with true ones")
    add = command.add_argument
    add("one", type=Path, metavar="FOUND", help="labels in any format, or the folder of a run")
    add("other", type=Path, metavar="TRUTH", help="the true labels")
    add("--as", dest="kind", choices=KINDS, default="objects", help="what they are (%(default)s)")
    add("--boundaries", action="store_true", help="COCO's numbers for the edges of masks, too")
    add_comparison_flags(command)
    command.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    line = ProgressLine()
    try:
        result = evaluate(
            options.one,
            options.other,
            options.images,
            kind=options.kind,
            iou=options.iou,
            boundaries=options.boundaries,
            common_only=options.common,
            on_progress=line,
        )
    finally:
        line.end()
    tell(result, lambda: _text(result), lambda: _page(result), "evaluation.html", options)
    return 0


def _text(result: Evaluation) -> str:
    parts = []
    for name, group in result.numbers.items():
        cells = [(measure, number_text(value)) for measure, value in group.items()]
        parts.append(table(cells, (name, "")))
    if result.classes:
        columns = _OBJECT_COLUMNS if result.kind == "objects" else result.classes[0].keys()
        parts.append(rows_table(result.classes, columns))
    return "\n\n".join((*parts, *result.notes))


def _page(result: Evaluation) -> ComparisonPage:
    from premask.report.comparison_report import ComparisonPage

    groups = dict(result.numbers)
    values: dict[str, Any] = {"images": result.image_count}
    # Masks come first; where there are some, the AP is theirs.
    for group in reversed(groups.values()):
        values |= group
    apart = [{"of": name, **group} for name, group in groups.items() if "AP" in group]
    others = [(name.capitalize(), [group]) for name, group in groups.items() if "AP" not in group]
    return ComparisonPage(
        title=f"{Path(result.found).name}, measured with {Path(result.truth).name}",
        one="found",
        other="true",
        facts={"found": result.found, "true": result.truth, "evaluated as": result.kind},
        numbers={name: number_text(values[name]) for name in _FIRST if name in values},
        images=result.images,
        notes=result.notes,
        tables=[("Average precision and recall", apart), *others, ("Classes", result.classes)],
        labels=result.labels,
        confusion=result.confusion,
    )
