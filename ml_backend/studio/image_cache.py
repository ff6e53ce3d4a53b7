"""A cache of fetched images on disk, bounded in size, which processes share."""

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

PART_PREFIX = ".part-"
"""How the names of files begin that are being written."""

KEEP_SHARE = 0.9
"""How full the cache may be after tidying up. A process tidies up again when it has added half of
the rest."""

ABANDONED_SECONDS = 3600.0
"""A partly written file of this age belongs to a process that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedImage:
    """An image from the cache; `age_seconds` ago it was still what the server has."""

    data: bytes
    age_seconds: float
    etag: str = ""
    last_modified: str = ""

    @property
    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the image only if it has changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


def cache_key(*parts: str) -> str:
    """A file name that differs whenever one of the parts differs."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class ImageCache:
    """Each image is one file: a line of JSON about it, then its bytes.

    The file's mtime says when the image was last checked with its server, the atime when it was
    last used. The atime is set here, because many disks are mounted without it.
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
        """Keep an image. A disk that is full or read-only is logged, and is no error."""
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
        """Note that the image was checked just now, and is still what its server has."""
        try:
            os.utime(self._path(key))
        except OSError:
            # Another process has deleted the file; the caller holds its bytes.
            return

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _write(self, path: Path, content: bytes) -> None:
        """Replace the file in one step, so that no reader sees a part of it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(prefix=PART_PREFIX, dir=path.parent)
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
        """Delete what was not used for the longest time, and what killed processes left."""
        newest_first = sorted(self._files(), key=lambda file: file[1].st_atime, reverse=True)
        total = 0
        for path, status in newest_first:
            total += status.st_size
            age_seconds = time.time() - status.st_mtime
            abandoned = path.name.startswith(PART_PREFIX) and age_seconds > ABANDONED_SECONDS
            if abandoned or total > self._max_bytes * KEEP_SHARE:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.glob("*/*"):
            try:
                yield path, path.stat()
            except OSError:
                # Another process has deleted it.
                continue
