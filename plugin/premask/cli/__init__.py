"""The terminal face: `premask annotate`, `recipes`, `models`, `embed`, `preview`, `doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from premask.cli import annotate, embed, models, recipes
from premask.cli.doctor import diagnosis
from premask.errors import PremaskError
from premask.terminal.flags import EXIT_CODES
from premask.terminal.screen import printable
from premask.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that premask knows are one line, without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except PremaskError as error:
        print(f"premask: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\npremask: interrupted. What was done is kept: run it again.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="premask",
        description="Pre-annotate image datasets with masks and mattes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"premask {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for part in (annotate, recipes, models, embed):
        part.add_command(commands)
    preview = commands.add_parser("preview", help="make a contact sheet and a report of results")
    preview.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    preview.set_defaults(command=_preview)
    doctor = commands.add_parser("doctor", help="show what is installed and what is missing")
    doctor.set_defaults(command=_doctor)
    return parser


def _preview(options: argparse.Namespace) -> int:
    # Drawing libraries are only loaded for drawing.
    from premask.report.preview import preview

    for path in preview(options.folders):
        print(path)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    print(diagnosis())
    return 0
