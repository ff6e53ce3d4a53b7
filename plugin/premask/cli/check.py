"""`premask check`: what is wrong with labels, and a mended copy of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from premask.datasets.health import check
from premask.datasets.problems import Health
from premask.errors import InvalidSetting
from premask.terminal.flags import Commands
from premask.terminal.screen import ProgressLine, counted, printable, table

_MOST = 20
"""So many problems of a kind are shown; --json has all."""


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    command = commands.add_parser("check", help="find what is wrong with labels, and mend it")
    add = command.add_argument
    add("path", type=Path, metavar="LABELS", help="labels in any format; a COCO file may be broken")
    add("--images", type=Path, metavar="DIR", help="where the images are, to look at them, too")
    add("--fix", type=Path, metavar="FILE", help="write a mended copy of a COCO file here")
    add("--json", action="store_true", help="print everything as JSON, for programs")
    command.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    if options.fix is not None and options.fix.resolve() == options.path.resolve():
        raise InvalidSetting(f"--fix {options.fix}: the mended copy needs another name.")
    line = ProgressLine()
    try:
        health = check(options.path, options.images, out=options.fix, on_progress=line)
    finally:
        line.end()
    print(json.dumps(health.as_json()) if options.json else _text(health, options.fix))
    return 1 if health.problems else 0


def _text(health: Health, fix: Path | None) -> str:
    looked = f"{counted(health.images, 'image')} and {counted(health.annotations, 'annotation')}"
    if not health.problems:
        return f"{health.path}: {looked}, nothing wrong"
    parts = [table([(kind, str(n)) for kind, n in health.counts().items()], ("problem", "times"))]
    for kind, count in health.counts().items():
        lines = [str(problem) for problem in health.problems if problem.kind == kind]
        more = [f"... and {count - _MOST:,} more"] if count > _MOST else []
        parts.append("\n".join(map(printable, [*lines[:_MOST], *more])))
    mended = sum(bool(problem.mended) for problem in health.problems)
    parts.append(f"{health.path}: {looked}, {counted(len(health.problems), 'problem')}")
    if fix is not None and fix.is_file():
        parts.append(f"{fix}: {mended:,} of them mended, as it says in brackets")
    elif mended:
        parts.append(f"--fix FILE writes a copy in which {mended:,} of them are mended")
    return "\n\n".join(parts)
