"""`premask receive`: what people in Label Studio made of the labels, back onto FiftyOne's."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli.host_halves import FAILED, file_between, in_fiftyone, in_label_studio
from premask.errors import InvalidSetting
from premask.terminal.flags import EXIT_CODES, Commands

ABOUT = """Brings back what people made of the labels that `premask send` put into a project:
corrections onto the labels that they are of, pixel by pixel; new objects as new labels; and what
somebody deleted is deleted. A label that was changed in FiftyOne meanwhile is left alone, and
named. Run it as often as you like: what came back before does not come twice.
"""


def add_command(commands: Commands) -> None:
    """Describe the command."""
    receive = commands.add_parser(
        "receive",
        help="what people made of them back onto FiftyOne's labels",
        description=ABOUT,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = receive.add_argument
    add("--project", type=int, metavar="N", help="the project's number in Label Studio")
    add("--dataset", metavar="D", help="the FiftyOne dataset, if it was renamed since")
    add(
        "--annotator",
        choices=("latest", "ground-truth"),
        default="latest",
        help="whose annotation counts where a task has several: the one marked as ground truth, "
        "else the one changed last (default); or marked ones only",
    )
    add(
        "--conflicts",
        choices=("fiftyone", "label-studio"),
        help="whose word counts where both changed a label (default: FiftyOne's, and they are told "
        "again each time)",
    )
    add("--file", type=Path, metavar="FILE", help="keep what goes from one half to the other here")
    receive.set_defaults(command=_receive)


def _receive(options: argparse.Namespace) -> int:
    if not options.project and not options.file:
        raise InvalidSetting(
            "Name the project: --project N; or with --file FILE what the other half has written."
        )
    status = 0
    with file_between(options.file) as file:
        if options.project:
            chosen = ["--project", str(options.project), "--annotator", options.annotator]
            status = in_label_studio("receive", file, *chosen)
        if status < FAILED:
            where = ["--dataset", options.dataset] if options.dataset else []
            conflicts = ["--conflicts", options.conflicts] if options.conflicts else []
            status = max(status, in_fiftyone("receive", file, *where, *conflicts))
    return status
