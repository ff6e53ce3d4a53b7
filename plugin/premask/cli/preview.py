"""`premask preview`: pictures of what was found, for people to look at."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from premask.terminal.flags import Commands
from premask.terminal.screen import counted, printable


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    preview = commands.add_parser("preview", help="make a contact sheet and a report of labels")
    preview.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="folders of results, or labels of any format",
    )
    preview.add_argument("--images", type=Path, metavar="DIR", help="where the labels' images are")
    preview.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="where the images or videos are, if they were moved",
    )
    preview.add_argument(
        "--film",
        choices=("webm", "mp4", "webp"),
        help="what the films of clips are (default: webm with premask[video], else webp); mp4 is "
        "H.264, which slides and phones play",
    )
    preview.set_defaults(command=_preview)


def _preview(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without what draws.
    from premask.report.clip_preview import has_clips
    from premask.report.preview import preview, require_images
    from premask.runs.folder_state import has_state

    labels = [path for path in options.folders if not (has_state(path) or has_clips(path))]
    folders = [path for path in options.folders if path not in labels]
    unread = [name for path in labels for name in _preview_labels(path, options.images)]
    clips = all(has_clips(folder) for folder in folders)
    missing = [name for folder in folders for name in require_images(folder, options.root)]
    for path in preview(folders, root=options.root, film=options.film):
        print(path)
    if missing:
        things = counted(len(missing), "video" if clips else "image")
        print(
            f"premask: {things} could not be found, such as {printable(missing[0])}. "
            "--root DIR says where they are, if they were moved.",
            file=sys.stderr,
        )
    return 1 if missing or unread else 0


def _preview_labels(path: Path, images: Path | None) -> list[str]:
    """Draw labels of any format, beside them; the images that could not be read."""
    from premask.datasets.reading import read
    from premask.plans.plan import is_plan
    from premask.report.labels_preview import preview_labels

    # The labels of a plan are a folder of tables to many programs, and nothing else.
    above = path.absolute().parent.parent
    folder = above if is_plan(above) else path.parent
    written, unread = preview_labels(read(path, images), folder / f"{path.stem}-preview")
    for page in written:
        print(page)
    if unread:
        print(
            f"premask: {counted(len(unread), 'image')} could not be read, such as "
            f"{printable(unread[0])}. --images DIR says where they are.",
            file=sys.stderr,
        )
    return unread
