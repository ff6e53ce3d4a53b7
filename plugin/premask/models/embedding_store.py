"""Embeddings in a folder that several processes share: bounded, and checked when read."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from premask.files import write_atomically

Restored = TypeVar("Restored")

SUFFIX = ".embedding"
CHECK_BYTES = 16


class EmbeddingStore:
    """One file an embedding. When they take too much, those used longest ago are removed."""

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._guard = threading.Lock()
        self._size = sum(size for _, size, _ in self._files())

    @property
    def nbytes(self) -> int:
        """What its files take, as far as this process knows."""
        return self._size

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str, restore: Callable[[bytes], Restored]) -> Restored | None:
        """What `restore` makes of the stored bytes; None where there are none, or broken ones."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            if _check(data[CHECK_BYTES:]) != data[:CHECK_BYTES]:
                return None
            os.utime(path)
            return restore(data[CHECK_BYTES:])
        except (OSError, ValueError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes; the files used longest ago make room."""
        path = self._path(key)
        with self._guard:
            before = path.stat().st_size if path.is_file() else 0
            write_atomically(path, _check(data) + data)
            self._size += len(data) + CHECK_BYTES - before
            if self._size > self.limit_bytes:
                self._make_room()

    def _make_room(self) -> None:
        """Remove the files that were used longest ago until what is left fits."""
        # Other processes write and remove files here as well, so the folder is counted anew.
        files = sorted(self._files())
        self._size = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if self._size <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            self._size -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each was used last, its size, and its path."""
        files = []
        for path in self.folder.glob(f"*/*{SUFFIX}"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            files.append((stat.st_mtime, stat.st_size, path))
        return files

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest()
