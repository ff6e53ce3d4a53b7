"""`premask merge`: several runs, or labels of any formats, as one dataset."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from premask.cli.convert import add_set_flags, convert_from_flags
from premask.terminal.flags import Commands
from premask.terminal.screen import counted, printable

if TYPE_CHECKING:
    from premask.datasets.merging import Merged


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    merge = commands.add_parser("merge", help="join several runs or files of labels")
    merge.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="runs, or labels")
    merge.add_argument("--to", default="coco", metavar="F", help="the format (default: coco)")
    add_set_flags(merge, copy="none")
    merge.set_defaults(command=_merge)


def _merge(options: argparse.Namespace) -> int:
    # Here, so that the other commands start without it.
    from premask.datasets.merging import merge
    from premask.datasets.reading import read

    merged = merge([read(path, options.images, truth=options.truth) for path in options.paths])
    print("\n".join(_told(merged)))
    print(convert_from_flags(merged.dataset, options, options.to, split=options.split))
    return 0


def _told(merged: Merged) -> Iterator[str]:
    yield f"{counted(merged.shared_images, 'image')} in more than one of them"
    if merged.duplicates:
        yield f"{counted(merged.duplicates, 'object')} there twice, and written once"
    if merged.overlaps:
        objects = counted(sum(merged.overlaps.values()), "object")
        name = printable(next(iter(merged.overlaps)))
        yield f"{objects} nearly the same (IoU 0.9 or more, one class) as others, such as in {name}"
    if merged.renamed:
        free, name = next(iter(merged.renamed.items()))
        count = counted(len(merged.renamed), "other image")
        yield f"{count} of the same name, such as {printable(name)}, now {printable(free)}"
