"""What commands print: tables, and a line that shows how far they are."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from premask.runs.progress import Progress

LEAST_COLUMN = 10
"""Narrower columns than this are not made: a word on each line can't be read."""


def table(rows: Iterable[Sequence[str]], header: Sequence[str], *, width: int | None = None) -> str:
    """Columns as wide as their widest cell, or wrapped so that lines fit into `width` letters.

    By default that is the terminal's; what goes into a file or to a program is not wrapped.

    >>> print(table([("a", "1")], ("name", "n")))
    name  n
    ----  -
    a     1
    >>> print(table([("a", "a long sentence")], ("name", "what"), width=19))
    name  what
    ----  -------------
    a     a long
          sentence
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    cells = [tuple(header), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    # Of the widest column a letter is taken until the lines fit.
    while width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        widest = widths.index(max(widths))
        if widths[widest] <= LEAST_COLUMN:
            break
        widths[widest] -= 1
    rule = tuple("-" * column for column in widths)
    lines = (line for row in (cells[0], rule, *cells[1:]) for line in _lines(row, widths))
    return "\n".join(lines)


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row; a cell that is wider than its column goes on below."""
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) if len(cell) > width else [cell]
        for cell, width in zip(row, widths, strict=True)
    ]
    for parts in itertools.zip_longest(*wrapped, fillvalue=""):
        cells = (part.ljust(width) for part, width in zip(parts, widths, strict=True))
        yield "  ".join(cells).rstrip()


def counted(number: int, thing: str, things: str = "") -> str:
    """How many there are; `things` are several of them where these are not called with an s.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or thing + 's'}"


def number_text(value: object) -> str:
    """A number as tables show it; a dash where there is none, which is -1 or not a number.

    >>> number_text(0.48291), number_text(1200), number_text(-1.0), number_text("cat")
    ('0.483', '1,200', '-', 'cat')
    """
    if isinstance(value, float):
        return "-" if value == -1 or math.isnan(value) else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def printable(text: str) -> str:
    r"""The text on one line, whatever a file's name may hold.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class ProgressLine:
    """One line that is written over again; in a log file, a new one from time to time."""

    def __init__(self, stream: TextIO | None = None, *, log_seconds: float = 30.0) -> None:
        self._stream = stream or sys.stderr
        self._moves = self._stream.isatty()
        self._pause = 0.1 if self._moves else log_seconds
        self._shown = time.monotonic()
        self._dirty = False

    def __call__(self, progress: Progress) -> None:
        """Show how far it is, unless that was shown a moment ago."""
        finished = progress.done == progress.total
        # A terminal shows the end for certain; in a log it would only repeat the summary.
        if time.monotonic() - self._shown < self._pause and not (finished and self._moves):
            return
        self._shown = time.monotonic()
        if self._moves:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + progress_text(progress, width))
        else:
            self._stream.write(progress_text(progress, 100).rstrip() + "\n")
        self._stream.flush()
        self._dirty = self._moves

    def end(self) -> None:
        """Let what follows begin on a line of its own."""
        if self._dirty:
            self._stream.write("\n")
            self._dirty = False


def progress_text(progress: Progress, width: int) -> str:
    """A bar, counts and what is left.

    >>> progress_text(Progress(done=3, failed=1, total=4, seconds=6.0), 55)
    '[###############     ] 3/4 images, 1 failed, 2s left   '
    """
    filled = 20 * progress.done // progress.total if progress.total else 0
    line = f"[{'#' * filled}{' ' * (20 - filled)}] {progress_words(progress)}"
    return line[:width].ljust(width)


def progress_words(progress: Progress) -> str:
    """Counts, and the time that is left.

    >>> progress_words(Progress(done=3, failed=0, total=4, seconds=6.0))
    '3/4 images, 2s left'
    """
    parts = [f"{progress.done}/{progress.total or '?'} {progress.thing}"]
    if progress.thing == "frames" and progress.rate is not None:
        parts.append(f"{progress.rate:.1f} a second")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.eta_seconds is not None:
        parts.append(f"{duration(progress.eta_seconds)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(4.2), duration(80), duration(7300)
    ('4s', '1m20s', '2h01m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
