"""`premask split`: labels in parts to train and to test on, in the format that they have."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli.convert import add_set_flags, convert_from_flags
from premask.terminal.flags import Commands

DEFAULT_SHARES = "80,10,10"


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    split = commands.add_parser("split", help="split labels into train, val and test")
    split.add_argument("path", type=Path, metavar="PATH", help="labels of any format")
    add_set_flags(split, copy="none")
    split.set_defaults(command=_split)


def _split(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without it.
    from premask.datasets.reading import RUN, read

    dataset = read(options.path, options.images, truth=options.truth)
    form = "coco" if dataset.format == RUN else dataset.format
    print(convert_from_flags(dataset, options, form, split=options.split or DEFAULT_SHARES))
    return 0
