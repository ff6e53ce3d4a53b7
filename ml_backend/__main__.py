"""python -m ml_backend [serve] | push | pull | corrections | doctor | send | receive."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_backend.settings import flag_settings, read_settings
from premask.errors import MissingDependency, PremaskError
from premask.terminal.flags import EXIT_CODES
from premask.terminal.screen import printable

COMMANDS = {
    "serve": "answer Label Studio as an ML backend (default)",
    "push": "label a whole project, and write predictions",
    "pull": "export a project's annotations and predictions",
    "corrections": "make a set to train on of what people made of predictions",
    "doctor": "say whether Label Studio and the backend reach each other",
    "send": "put labels of FiftyOne into a project, from a file of `premask send`",
    "receive": "write what people made of them into a file, for `premask receive`",
}
FLAGS = {
    "recipe_settings": "--set",
    "interactive_settings": "--set-interactive",
    "project_recipes": "--project-recipe",
    "project_models": "--project-model",
}
"""Settings with several values: their flag is given once for each value, so it is singular."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that premask knows are one line, without a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in (*COMMANDS, "-h", "--help"):
        words.insert(0, "serve")
    try:
        options = _parser(words[0]).parse_args(words)
        settings = read_settings(options.config, environment=os.environ, flags=_flags(options))
        return int(_module(words[0]).run(options, settings))
    except PremaskError as error:
        print(f"premask: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\npremask: interrupted. What was done is kept: run it again.", file=sys.stderr)
        return 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Only the chosen command is imported: pulling needs no web server."""
    parser = argparse.ArgumentParser(prog="python -m ml_backend", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=meaning,
            description=meaning,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_settings(command)
        if name == chosen and hasattr(_module(name), "add_arguments"):
            _module(name).add_arguments(command)
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE.toml", help="a file of settings")
    for name, item in flag_settings().items():
        flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
        text = f"{item.help} ({item.expects})".replace("%", "%%")
        action = "append" if item.kind == "texts" else "store"
        command.add_argument(flag, dest=name, metavar="VALUE", action=action, help=text)


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as flags; None for those that were not."""
    given = {name: (item, getattr(options, name)) for name, item in flag_settings().items()}
    return {
        name: item.parse(value, "flags: ") if isinstance(value, str) else value
        for name, (item, value) in given.items()
    }


def _module(command: str) -> Any:
    try:
        return importlib.import_module(f"ml_backend.commands.{command}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("ml_backend", "premask"):
            raise
        raise MissingDependency(
            f"'{command}' needs the package '{error.name}', which is not installed. Install it "
            "with: pip install 'premask[label-studio]'"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
