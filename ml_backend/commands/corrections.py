"""python -m ml_backend corrections: a set to train on, of what people made of predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

from ml_backend.commands.correction_set import PROVENANCE, WantedSet, make_set
from ml_backend.settings import BackendSettings
from premask.terminal.converted import what_became
from premask.terminal.interrupt import stopping_on_ctrl_c
from premask.terminal.screen import ProgressLine, printable

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add = parser.add_argument
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    add("--out", type=Path, required=True, metavar="DIR", help="the folder of the set")
    add("--format", default="coco", metavar="F", help="as --to of premask convert (default: coco)")
    add(
        "--all",
        dest="everything",
        action="store_true",
        help="predictions, too, where nobody has submitted an annotation",
    )
    add(
        "--annotator",
        choices=("latest", "all", "ground-truth"),
        default="latest",
        help="whose annotation counts where there are several (default: the one updated last)",
    )
    add("--split", default="80,20", metavar="S,...", help="shares of the parts (default: 80,20)")
    add("--seed", type=int, default=0, metavar="N", help="another seed, another split (default: 0)")


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Make the set; the exit code is 1 where some images failed."""
    wanted = WantedSet(
        project=options.project,
        out=options.out,
        format=options.format,
        everything=options.everything,
        annotator=options.annotator,
        split=options.split,
        seed=options.seed,
    )
    line = ProgressLine()
    try:
        with stopping_on_ctrl_c(INTERRUPTED) as cancel:
            made = make_set(settings, wanted, show=line, cancel=cancel)
    finally:
        line.end()
    print("\n".join([*what_became(made.converted), *map(printable, made.sentences())]))
    print(wanted.out / PROVENANCE)
    return 1 if made.failures else 0
