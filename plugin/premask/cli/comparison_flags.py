"""Flags of the commands that hold two sets of labels side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from premask.terminal.screen import number_text, table

if TYPE_CHECKING:
    from premask.report.comparison_report import ComparisonPage


class Result(Protocol):
    """What two sets of labels held side by side gave."""

    def as_json(self) -> dict[str, Any]: ...


def add_comparison_flags(command: argparse.ArgumentParser) -> None:
    """How objects are matched, and what is made of the result."""
    add = command.add_argument
    add("--iou", type=float, default=0.5, metavar="X", help="the least of a match (%(default)s)")
    add("--common", action="store_true", help="leave out images that only one side has")
    add("--json", action="store_true", help="print everything as JSON, for programs")
    add("--out", type=Path, metavar="DIR", help="write a report with pictures into this folder")
    add("--images", type=Path, metavar="DIR", help="where the images are, for pictures and sizes")
    add("--worst", type=int, default=100, metavar="N", help="so many images (%(default)s)")


def tell(
    result: Result,
    text: Callable[[], str],
    page: Callable[[], ComparisonPage],
    name: str,
    options: argparse.Namespace,
) -> None:
    """Print the result, as text or for programs, and write its page if one is asked for."""
    print(json.dumps(result.as_json()) if options.json else text())
    if options.out is not None:
        path = _write_page(page(), name, options)
        if not options.json:
            print(f"\n{path}")


def _write_page(page: ComparisonPage, name: str, options: argparse.Namespace) -> Path:
    """Write the report, looking for images beside both labels where no folder is given."""
    # Here, so that numbers alone don't wait for what draws.
    from premask.report.comparison_report import image_finder, write_comparison

    labels = [path for path in (options.one, options.other) if path.exists()]
    images = image_finder(options.images, *labels)
    return write_comparison(page, options.out / name, images, max_images=options.worst)


def rows_table(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> str:
    """Rows with some of their values as columns."""
    shown = [name for name in names if name in rows[0]]
    return table([[number_text(row.get(name, -1.0)) for name in shown] for row in rows], shown)
