"""The terminal face: one command a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from premask.cli import annotate, doctor, embed, fiftyone, models, preview, recipes
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
    for module in (annotate, recipes, models, embed, preview, fiftyone, doctor):
        module.add_command(commands)
    return parser
