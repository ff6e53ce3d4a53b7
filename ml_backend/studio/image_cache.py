"""Fetched images on disk: whole or absent, bounded in size, shared by processes, dated."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from premask.images import digest_of

log = logging.getLogger(__name__)

KEEP_SHARE = 0.9
"""How full the cache may be after tidying up: each process then adds 1/20 before the next time."""

TORN_SECONDS = 3600.0
"""A half written file of this age belongs to a process that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedImage:
    """An image from the cache, when it was last known to be the newest, and how to ask again."""

    data: bytes
    age_seconds: float
    etag: str = ""
    last_modified: str = ""

    @property
    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the image only if it has changed."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


def cache_key(*parts: str) -> str:
    """A name for exactly these: where from, which image, and as whom."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class ImageCache:
    """One file an image: a line about it, then its bytes.

    Its dates say when it was checked (mtime) and when it was last wanted (atime; set by hand,
    because many disks don't).
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._unchecked = max_bytes
        self._lock = threading.Lock()

    def get(self, key: str) -> CachedImage | None:
        """The image, unless it is missing or its file is damaged."""
        path = self._path(key)
        try:
            checked = path.stat().st_mtime
            head, _, data = path.read_bytes().partition(b"\n")
            about = json.loads(head)
            if about["digest"] != digest_of(data):
                return None
            os.utime(path, (time.time(), checked))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return CachedImage(
            data=data,
            age_seconds=max(0.0, time.time() - checked),
            etag=about["etag"],
            last_modified=about["last_modified"],
        )

    def put(self, key: str, data: bytes, *, etag: str = "", last_modified: str = "") -> None:
        """Keep an image; a disk that is full or read-only costs speed, nothing else."""
        about = {"digest": digest_of(data), "etag": etag, "last_modified": last_modified}
        content = json.dumps(about).encode() + b"\n" + data
        if len(content) > self._max_bytes * (1 - KEEP_SHARE):
            return
        try:
            self._write(self._path(key), content)
            self._tidy_up_after(len(content))
        except OSError as error:
            log.warning("An image can't be kept in %s: %s", self._folder, error)

    def confirm(self, key: str) -> None:
        """The image was found to be the newest, just now."""
        try:
            os.utime(self._path(key))
        except OSError:
            # Another process has thrown it away; the caller holds its bytes.
            return

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _write(self, path: Path, content: bytes) -> None:
        """A new file in the old one's place at once; only its owner may read it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(part).replace(path)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise

    def _tidy_up_after(self, added: int) -> None:
        with self._lock:
            self._unchecked += added
            if self._unchecked < self._max_bytes * (1 - KEEP_SHARE) / 2:
                return
            self._unchecked = 0
        self._tidy_up()

    def _tidy_up(self) -> None:
        """Throw away what was not wanted for the longest time."""
        kept = sorted(self._files(), key=lambda each: each[1].st_atime, reverse=True)
        total = 0
        for path, status in kept:
            total += status.st_size
            if total > self._max_bytes * KEEP_SHARE or _is_torn(path, status):
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.glob("*/*"):
            try:
                yield path, path.stat()
            except OSError:
                # Another process was faster.
                continue


def _is_torn(path: Path, status: os.stat_result) -> bool:
    return path.name.startswith(".part-") and time.time() - status.st_mtime > TORN_SECONDS
