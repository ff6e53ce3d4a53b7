"""`premask stats`: what is in a set of labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from premask.datasets.lookalikes import Groups
from premask.datasets.problems import shown
from premask.datasets.statistics import Statistics, stats
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, number_text, printable, table

_MOST = 10


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    command = commands.add_parser("stats", help="count what is in a set of labels")
    add = command.add_argument
    add("path", type=Path, metavar="LABELS", help="labels in any format, or the folder of a run")
    add("--images", type=Path, metavar="DIR", help="where the images are, to find duplicates")
    add("--json", action="store_true", help="print everything as JSON, for programs")
    command.set_defaults(command=_stats)


def _stats(options: argparse.Namespace) -> int:
    line = ProgressLine()
    try:
        result = stats(options.path, options.images, on_progress=line)
    finally:
        line.end()
    by = "labels" if options.images is None else "pixels"
    print(json.dumps(result.as_json()) if options.json else _text(result, by))
    return 0


def _text(result: Statistics, by: str) -> str:
    totals = {
        "images": result.images,
        "without any object": result.empty,
        "failed": result.failed,
        "objects": result.annotations,
        "with a mask": result.masks,
        "with a matte": result.mattes,
        "crowds": result.crowds,
        "with a score": result.scores,
        "most in an image": result.most_in_an_image,
    }
    parts = [table([(name, number_text(count)) for name, count in totals.items()], ("", "number"))]
    if result.classes:
        ordered = sorted(result.classes.values(), key=lambda one: -one.objects)
        names = ("objects", "images", "small", "medium", "large")
        rows = [
            (
                one.label,
                *(number_text(getattr(one, name)) for name in names),
                f"{one.mean_area:,.0f}",
            )
            for one in ordered
        ]
        parts.append(table(rows, ("class", *names, "mean area (px)")))
    sizes = result.sizes.most_common(_MOST)
    parts.append(table([(size, number_text(count)) for size, count in sizes], ("size", "images")))
    if len(result.sizes) > _MOST:
        parts.append(f"... and {len(result.sizes) - _MOST:,} more sizes")
    parts += _groups(f"the same {by}", result.same)
    parts += _groups(f"nearly the same {by}", result.alike)
    return "\n\n".join(parts)


def _groups(what: str, groups: Groups) -> list[str]:
    if not groups:
        return []
    lines = [printable(shown(names, 4)) for names in groups[:_MOST]]
    more = [f"... and {len(groups) - _MOST:,} more groups"] if len(groups) > _MOST else []
    return ["\n".join([f"images with {what}:", *lines, *more])]
