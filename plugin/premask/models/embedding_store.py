"""Embeddings in a folder that several processes share: bounded, and checked when read."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from premask.errors import UnwritableOutput
from premask.files import unwritable

if sys.platform != "win32":
    import fcntl

Restored = TypeVar("Restored")

SUFFIX = ".embedding"
PART_SUFFIX = ".part"
CHECK_BYTES = 16

ROOM = 0.05
"""The share of the limit that is freed beyond need, so that the files are not counted each time."""

LEFT_BEHIND_SECONDS = 600
"""A file that has been written for so long belongs to a process that was killed."""

PATIENCE_SECONDS = 5.0
"""For so long a writer waits for another one. An image that is being answered waits with it."""


class EmbeddingStore:
    """One file an embedding. When they take too much, those used longest ago are removed.

    Any number of processes may read and write at once. Who writes holds the folder's lock, so that
    together they stay below the limit; who reads needs none, for files appear as a whole.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._guard = threading.Lock()

    @property
    def nbytes(self) -> int:
        """What its files take."""
        return sum(size for _, size, _ in self._files())

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str, restore: Callable[[bytes], Restored]) -> Restored | None:
        """What `restore` makes of the stored bytes; None where there are none, or broken ones."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            if _check(key, data[CHECK_BYTES:]) != data[:CHECK_BYTES]:
                return None
            # A store that may only be read serves as well.
            with suppress(OSError):
                os.utime(path)
            return restore(data[CHECK_BYTES:])
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes; `UnwritableOutput` where that can't be."""
        path, size = self._path(key), CHECK_BYTES + len(data)
        if size > self.limit_bytes:
            raise UnwritableOutput(
                f"An embedding of {size:,} bytes does not fit into '{self.folder}', which may hold "
                f"{self.limit_bytes:,}. Raise the limit."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._guard, self._locked():
                self._make_room(path, size)
                _write(path, _check(key, data) + data)
        except OSError as error:
            raise unwritable(path, error) from error

    def _make_room(self, path: Path, size: int) -> None:
        """Remove files until one of this size can take its place, and note what there will be."""
        with suppress(FileNotFoundError):
            size -= path.stat().st_size
        taken = self._noted_size()
        if taken is None or taken + size > self.limit_bytes:
            taken = self._count_and_remove(self.limit_bytes - size, spared=path)
        # Before the file is there: whoever is killed in between leaves too large a number, which is
        # corrected as soon as it matters.
        _write(self._note, str(taken + size).encode())

    def _count_and_remove(self, most: int, *, spared: Path) -> int:
        """What the files take once those used longest ago are gone, if they took more than that."""
        files = sorted(self._files())
        taken = sum(size for _, size, _ in files)
        if taken > most:
            for _, size, path in files:
                if taken <= most - ROOM * self.limit_bytes:
                    break
                # Where a file system has no locks, somebody may be writing a part just now.
                if path != spared and path.suffix == SUFFIX:
                    path.unlink(missing_ok=True)
                    taken -= size
        return taken

    @property
    def _note(self) -> Path:
        """Where it is noted how much the files take: it takes long to count thousands each time."""
        return self.folder / "size"

    def _noted_size(self) -> int | None:
        try:
            return int(self._note.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock. Where a file system has none, the limit is kept roughly."""
        if sys.platform == "win32":
            yield
            return
        with (self.folder / "lock").open("ab") as file:
            give_up = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        raise
                    time.sleep(0.002)
                except OSError as error:
                    if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                        break
                    raise
            # The lock is released with the file.
            yield

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each was used last, its size, and its path. What was never finished is removed."""
        files = []
        for path in self.folder.glob("*/*"):
            try:
                status = path.stat()
                left_behind = time.time() - status.st_mtime > LEFT_BEHIND_SECONDS
                if path.suffix == PART_SUFFIX and left_behind:
                    path.unlink()
                elif path.suffix in (SUFFIX, PART_SUFFIX):
                    files.append((status.st_mtime, status.st_size, path))
            except FileNotFoundError:
                continue
        return files

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"


def _write(path: Path, data: bytes) -> None:
    """Put the file there as a whole, beside others who do the same.

    It is not forced onto the disk: what a crash of the machine breaks is noticed when it is read.
    """
    part = path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}{PART_SUFFIX}")
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _check(key: str, data: bytes) -> bytes:
    """A checksum of the bytes and of what they are for: they may be copied to another's name."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=CHECK_BYTES)
    digest.update(data)
    return digest.digest()
