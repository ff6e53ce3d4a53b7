"""All commands in one parser, and what becomes of the errors of the one that runs."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence

from premask.cli import (
    INTERRUPTED,
    annotate,
    check,
    compare,
    convert,
    doctor,
    embed,
    evaluate,
    fiftyone,
    merge,
    models,
    plan,
    preview,
    receive,
    recipes,
    send,
    split,
    stats,
    status,
    track,
)
from premask.errors import Cancelled, PremaskError
from premask.terminal.flags import EXIT_CODES
from premask.terminal.screen import printable
from premask.version import __version__


def run(arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name; its exit status."""
    # What Pillow has to say of damaged files is either an error of that image, or does no harm.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except Cancelled as error:
        print(f"premask: {error} What was done is kept: run it again.", file=sys.stderr)
        return INTERRUPTED
    except PremaskError as error:
        print(f"premask: {printable(str(error))}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="premask",
        description="Pre-annotate image datasets with masks and mattes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"premask {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (
        annotate,
        plan,
        track,
        recipes,
        models,
        embed,
        preview,
        convert,
        split,
        merge,
        evaluate,
        compare,
        check,
        stats,
        status,
        fiftyone,
        send,
        receive,
        doctor,
    ):
        module.add_command(commands)
    return parser
