"""`premask send`: labels of a FiftyOne dataset to people in Label Studio."""

from __future__ import annotations

import argparse
from pathlib import Path

from premask.cli.host_halves import FAILED, file_between, in_fiftyone, in_label_studio
from premask.errors import InvalidSetting
from premask.terminal.flags import EXIT_CODES, Commands

ABOUT = """Labels of a FiftyOne field become proposals in a project of Label Studio, each of which
knows which label it is; `premask receive` brings back what people made of them. Images are
uploaded, unless --local-files or --cloud says where Label Studio has them already. Where Label
Studio is, and who you are, is in LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Run it again after it
was interrupted, or when there are more samples: it does what is missing, and nothing twice.
"""


def add_command(commands: Commands) -> None:
    """Describe the command."""
    send = commands.add_parser(
        "send",
        help="labels of FiftyOne to people in Label Studio",
        description=ABOUT,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = send.add_argument
    add("--dataset", metavar="D", help="the FiftyOne dataset")
    add("--field", metavar="F", help="its field of detections, with masks or without")
    add("--view", metavar="V", help="only the samples of this saved view")
    add("--project", type=int, metavar="N", help="the project's number in Label Studio")
    add("--local-files", type=Path, metavar="DIR", help="the folder here that Label Studio serves")
    add("--cloud", metavar="DIR=URL", help="a folder here, and its address in a cloud storage")
    add("--renew", action="store_true", help="also replace proposals that changed since, unseen")
    add("--file", type=Path, metavar="FILE", help="keep what goes from one half to the other here")
    send.set_defaults(command=_send)


def _send(options: argparse.Namespace) -> int:
    _require_halves(options)
    status = 0
    with file_between(options.file) as file:
        if options.dataset:
            view = ["--view", options.view] if options.view else []
            source = ["--dataset", options.dataset, "--field", options.field]
            status = in_fiftyone("send", file, *source, *view)
        if status < FAILED and options.project:
            status = max(status, in_label_studio("send", file, *_there(options)))
    return status


def _there(options: argparse.Namespace) -> list[str | Path]:
    flags: list[str | Path] = ["--project", str(options.project)]
    flags += ["--local-files", options.local_files] if options.local_files else []
    flags += ["--cloud", options.cloud] if options.cloud else []
    return [*flags, "--renew"] if options.renew else flags


def _require_halves(options: argparse.Namespace) -> None:
    """Both halves, or one of them and the file between."""
    if bool(options.dataset) != bool(options.field):
        raise InvalidSetting("Name --dataset and --field together: which labels are to go?")
    if not (options.dataset and options.project) and not options.file:
        raise InvalidSetting(
            "Say from where and whereto: --dataset D --field F --project N. With --file FILE one "
            "of both is enough: the other half is run on another machine, with the same file."
        )
    if options.local_files and options.cloud:
        raise InvalidSetting(
            "Label Studio has the images once: --local-files or --cloud, not both."
        )
