"""A folder of files that is bounded in size, and that processes share."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PART_PREFIX = ".part-"
"""How the names of files begin that are being written."""

KEEP_SHARE = 0.9
"""How full the cache may be after tidying up. A process tidies up again when it has added half of
the rest."""

ABANDONED_SECONDS = 3600.0
"""A partly written file of this age belongs to a process that was killed."""


class BoundedFolder:
    """Files by key. Those that were not used for the longest time make room for others.

    The atime of a file says when it was last used. It is set here, because many disks are mounted
    without it. The mtime is left to those who use the folder.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._unchecked = max_bytes
        self._lock = threading.Lock()

    @property
    def largest(self) -> float:
        """Larger files are not kept: most others would have to go."""
        return self.max_bytes * (1 - KEEP_SHARE)

    def path(self, key: str) -> Path:
        """Where the file of this key is, if there is any."""
        return self.folder / key[:2] / key

    def used(self, key: str) -> None:
        """Note that the file was used just now; raises OSError if it is gone."""
        path = self.path(key)
        os.utime(path, (time.time(), path.stat().st_mtime))

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """A file to write; it replaces that of the key in one step, so that no reader sees a part.

        If the block raises, there is no file.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(prefix=PART_PREFIX, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                size = file.tell()
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        self.make_room(size)

    def make_room(self, added: int) -> None:
        """Tidy up when so many bytes more may be too many."""
        with self._lock:
            self._unchecked += added
            if self._unchecked < self.largest / 2:
                return
            self._unchecked = 0
        self._tidy_up()

    def _tidy_up(self) -> None:
        """Delete what was not used for the longest time, and what killed processes left."""
        newest_first = sorted(self._files(), key=lambda file: file[1].st_atime, reverse=True)
        total = 0
        for path, status in newest_first:
            total += status.st_size
            age_seconds = time.time() - status.st_mtime
            abandoned = path.name.startswith(PART_PREFIX) and age_seconds > ABANDONED_SECONDS
            if abandoned or total > self.max_bytes * KEEP_SHARE:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*/*"):
            try:
                yield path, path.stat()
            except OSError:
                # Another process has deleted it.
                continue
