"""What a command prints, kept within bounds: two files of some megabytes, and the last lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

FILE_BYTES = 4 * 2**20
"""A longer file becomes the previous one, which it replaces."""

LONGEST_LINE = 2_000
LAST_LINES = 20


class BoundedLog:
    """Takes bytes as they come, and writes lines without secrets."""

    def __init__(self, path: Path, hide: Callable[[str], str]) -> None:
        self.path = path
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self._hide = hide
        self._written = 0

    @property
    def previous(self) -> Path:
        return self.path.with_suffix(".previous.txt")

    def follow(self, stream: IO[bytes]) -> None:
        """Write all that comes until the stream ends, and close it."""
        with stream:
            while line := stream.readline(LONGEST_LINE):
                self.write(line.decode(errors="replace"))

    def write(self, text: str) -> None:
        """Write one line; of what a progress bar prints over itself, only the last is kept."""
        line = self._hide(text.rstrip("\r\n").rpartition("\r")[2])
        self.last.append(line)
        data = f"{line}\n".encode()
        if self._written + len(data) > FILE_BYTES:
            self.path.replace(self.previous)
            self._written = 0
        with self.path.open("ab") as file:
            file.write(data)
        self._written += len(data)
