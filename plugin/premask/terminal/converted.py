"""What there is to tell of a set of labels that was made."""

from __future__ import annotations

from collections.abc import Iterator

from premask.datasets.training_set import Converted
from premask.terminal.screen import counted, printable, table

_MOST_PATHS = 4
"""A split in three parts and its manifest; of pictures there may be thousands."""


def what_became(done: Converted) -> Iterator[str]:
    """A table of the parts, and in sentences what was left out or lost."""
    rows = [
        (part, f"{counts.images:,}", f"{counts.annotations.total():,}", f"{counts.empty:,}")
        for part, counts in done.parts.items()
    ]
    yield table(rows, ("part", "images", "objects", "empty images"))
    yield f"{counted(len(done.classes), 'class', 'classes')}: {printable(', '.join(done.classes))}"
    for what, count in sorted(done.left_out.items()):
        yield f"left out: {count:,} {printable(what)}"
    empty = [part for part, counts in done.parts.items() if not counts.images]
    if empty and len(done.parts) > 1:
        yield f"no image is in {' and in '.join(empty)}: there are too few of them, or of groups"
    if done.loss is not None:
        yield f"read again and compared ({counted(done.loss.images, 'image')}): {done.loss}"
    if done.turned:
        yield (
            f"turned by their EXIF only: {counted(done.turned, 'image')}. The labels are for the "
            "upright image, so a trainer that ignores EXIF needs --copy upright."
        )
    if done.other_size:
        yield (
            f"of another size than their labels are for: {counted(len(done.other_size), 'image')}, "
            f"such as {printable(done.other_size[0])}. `premask check` with --images says more."
        )
    yield from map(str, done.written[-_MOST_PATHS:])
