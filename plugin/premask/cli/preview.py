"""`premask preview`: pictures of what was found, for people to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.terminal.flags import Commands


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    preview = commands.add_parser("preview", help="make a contact sheet and a report of results")
    preview.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    preview.set_defaults(command=_preview)


def _preview(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without what draws.
    from premask.report.preview import preview

    for path in preview(options.folders):
        print(path)
    return 0
