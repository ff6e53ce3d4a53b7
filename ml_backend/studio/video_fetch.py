"""Fetching the videos that tasks name into files, which decoders read."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.addresses import image_name
from ml_backend.studio.bounded_folder import BoundedFolder
from ml_backend.studio.task_files import NOT_MODIFIED, TaskFiles
from premask.errors import UnreadableVideo
from premask.video.containers import HEAD_BYTES, KINDS, container_of
from premask.video.frames import Video, open_video
from premask.web.addresses import url_for_messages
from premask.web.network import Reply

MEGABYTE = 10**6

_ABOUT = ".json"
"""What is known of a video stands in a file beside it."""


class VideoSource(Protocol):
    """Gets the video that a task's data names."""

    def video(self, url: str, *, task_id: int | None = None) -> Video:
        """The video as it is stored, or `UnreadableImage`."""
        ...


class VideoFetcher:
    """Fetches videos for one Label Studio with its token; may be used by many threads.

    They stay on disk, so that a second question about the same video needs no second transfer.
    """

    def __init__(self, settings: BackendSettings, access: Access | None = None) -> None:
        self._files = TaskFiles(settings, settings.video_seconds, access)
        self._fresh_seconds = settings.cache_seconds
        self._kept = BoundedFolder(
            settings.video_path / "files", settings.video_megabytes * MEGABYTE
        )
        # A larger one would have to make room for itself.
        self._max_bytes = min(settings.max_video_megabytes * MEGABYTE, self._kept.max_bytes // 2)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def video(self, url: str, *, task_id: int | None = None) -> Video:
        """The video as it is stored, or `UnreadableImage`. Cloud storages need the task's id."""
        name = url_for_messages(url)
        address = self._files.address(url, task_id=task_id)
        key = self._files.key(address)
        with self._locks[key]:
            kept = _About.read(self._kept.path(key + _ABOUT))
            if not self._kept.path(key).is_file():
                kept = _NOTHING
            if time.time() - kept.checked >= self._fresh_seconds:
                self._fetch(address, key, kept, name)
            self._kept.used(key)
        return open_video(self._kept.path(key), image_name(url) or name)

    def _fetch(self, address: str, key: str, kept: _About, name: str) -> None:
        with self._files.opened(address, name, kept.conditions) as reply:
            about = kept
            if reply.status != NOT_MODIFIED:
                with self._kept.writing(key) as file:
                    for chunk in _video_chunks(reply, self._max_bytes, name):
                        file.write(chunk)
                if not reply.tells_end:
                    self._require_whole(key, name)
                about = _About(
                    etag=reply.headers.get("ETag", ""),
                    last_modified=reply.headers.get("Last-Modified", ""),
                )
        about.write(self._kept, key + _ABOUT)

    def _require_whole(self, key: str, name: str) -> None:
        """Raise for a file that was cut off, and don't keep it."""
        try:
            open_video(self._kept.path(key), name)
        except UnreadableVideo:
            self._kept.path(key).unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """When a video was still what its server has, and how to ask whether it still is."""

    checked: float = 0.0
    etag: str = ""
    last_modified: str = ""

    @classmethod
    def read(cls, path: Path) -> _About:
        try:
            said = json.loads(path.read_bytes())
            return cls(
                checked=path.stat().st_mtime,
                etag=said["etag"],
                last_modified=said["last_modified"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return _NOTHING

    def write(self, folder: BoundedFolder, key: str) -> None:
        said = {"etag": self.etag, "last_modified": self.last_modified}
        with folder.writing(key) as file:
            file.write(json.dumps(said).encode())

    @property
    def conditions(self) -> Mapping[str, str]:
        """Request headers that ask for the video only if it has changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


_NOTHING = _About()


def _video_chunks(reply: Reply, max_bytes: int, name: str) -> Iterator[bytes]:
    """The body; raises as soon as it is too large, or does not begin like a video."""
    if (reply.length or 0) > max_bytes:
        raise UnreadableVideo(name, _too_large(max_bytes))
    head, total = b"", 0
    for chunk in reply.body:
        total += len(chunk)
        if total > max_bytes:
            raise UnreadableVideo(name, _too_large(max_bytes))
        if len(head) < HEAD_BYTES:
            head += chunk
            if len(head) >= HEAD_BYTES:
                _require_video(head, name)
        yield chunk
    _require_video(head, name)


def _require_video(head: bytes, name: str) -> None:
    if not container_of(head[:HEAD_BYTES]):
        raise UnreadableVideo(name, f"what its server sends is no video that is read ({KINDS})")


def _too_large(max_bytes: int) -> str:
    return (
        f"it is larger than {max_bytes / MEGABYTE:g} MB; PREMASK_MAX_VIDEO_MEGABYTES and "
        "PREMASK_VIDEO_MEGABYTES allow more"
    )
