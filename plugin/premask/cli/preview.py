"""`premask preview`: pictures of what was found, for people to look at."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from premask.terminal.flags import Commands
from premask.terminal.screen import counted, printable


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    preview = commands.add_parser("preview", help="make a contact sheet and a report of results")
    preview.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    preview.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="where the images or videos are, if they were moved",
    )
    preview.set_defaults(command=_preview)


def _preview(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without what draws.
    from premask.report.clip_preview import has_clips
    from premask.report.preview import preview, require_images

    clips = all(has_clips(folder) for folder in options.folders)
    missing = [name for folder in options.folders for name in require_images(folder, options.root)]
    for path in preview(options.folders, root=options.root):
        print(path)
    if missing:
        things = counted(len(missing), "video" if clips else "image")
        print(
            f"premask: {things} could not be found, such as {printable(missing[0])}. "
            "--root DIR says where they are, if they were moved.",
            file=sys.stderr,
        )
    return 1 if missing else 0
