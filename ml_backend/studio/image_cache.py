"""A cache of fetched images on disk, bounded in size, which processes share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ml_backend.studio.bounded_folder import BoundedFolder
from premask.images import digest_of

log = logging.getLogger(__name__)


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

    The file's mtime says when the image was last checked with its server.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._files = BoundedFolder(folder, max_bytes)

    def get(self, key: str) -> CachedImage | None:
        """The image, unless it is missing or its file is damaged."""
        path = self._files.path(key)
        try:
            checked = path.stat().st_mtime
            head, _, data = path.read_bytes().partition(b"\n")
            about = json.loads(head)
            if about["digest"] != digest_of(data):
                return None
            self._files.used(key)
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
        if len(content) > self._files.largest:
            return
        try:
            with self._files.writing(key) as file:
                file.write(content)
        except OSError as error:
            log.warning("An image can't be kept in %s: %s", self._files.folder, error)

    def confirm(self, key: str) -> None:
        """Note that the image was checked just now, and is still what its server has."""
        try:
            os.utime(self._files.path(key))
        except OSError:
            # Another process has deleted the file; the caller holds its bytes.
            return
