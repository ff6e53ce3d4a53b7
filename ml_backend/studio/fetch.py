"""Fetching the images that tasks name: from Label Studio, its storages, or the internet."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.image_cache import CachedImage, ImageCache
from ml_backend.studio.task_files import NOT_MODIFIED, TaskFiles
from premask.errors import UnreadableImage
from premask.images import read_image
from premask.models.weights.paths import home
from premask.web.addresses import url_for_messages
from premask.web.network import Reply

MEGABYTE = 10**6

FREE_BYTES = 32 * MEGABYTE
"""So much of each image is fetched beside others. Of larger ones only one is fetched at a time: a
few kilobytes may unpack to all that one image is allowed, and many workers fetch."""

# JPEG, PNG, GIF, BMP, TIFF (two byte orders), WebP.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_SIGNATURE_BYTES = 4


class ImageFetcher:
    """Fetches images for one Label Studio with its token; may be used by many threads."""

    def __init__(self, settings: BackendSettings, access: Access | None = None) -> None:
        self._seconds = settings.fetch_seconds
        self._files = TaskFiles(settings, self._seconds, access)
        self._max_bytes = settings.max_image_megabytes * MEGABYTE
        self._fresh_seconds = settings.cache_seconds
        self._cache = _cache_of(settings)
        self._large = threading.Lock()

    def image_bytes(self, url: str, *, task_id: int | None = None) -> bytes:
        """The file as it is stored, or `UnreadableImage`. Cloud storages need the task's id."""
        if url.lstrip().lower().startswith("data:"):
            return _inline_bytes(url.strip(), self._max_bytes)
        address = self._files.address(url, task_id=task_id)
        key = self._files.key(address)
        kept = self._cache.get(key) if self._cache else None
        if kept is not None and kept.age_seconds < self._fresh_seconds:
            return kept.data
        name = url_for_messages(url)
        with self._files.opened(address, name, kept.conditions if kept else {}) as reply:
            return self._received(reply, key, kept, name)

    def _received(self, reply: Reply, key: str, kept: CachedImage | None, name: str) -> bytes:
        if reply.status == NOT_MODIFIED and kept is not None and self._cache is not None:
            self._cache.confirm(key)
            return kept.data
        data = self._joined(_image_chunks(reply, self._max_bytes), name)
        if self._cache is not None:
            if not reply.tells_end:
                # `label-studio start` sends files without their length. Only decoding shows whether
                # the image is complete, and an incomplete one must never be kept.
                read_image(data, name)
            self._cache.put(
                key,
                data,
                etag=reply.headers.get("ETag", ""),
                last_modified=reply.headers.get("Last-Modified", ""),
            )
        return data

    def _joined(self, chunks: Iterator[bytes], name: str) -> bytes:
        """The whole image. It is held once, and not a second time while its parts are joined."""
        with ExitStack() as stack:
            # Closed in the end: an error remembers all variables, and may be kept for a while.
            whole, alone = stack.enter_context(io.BytesIO()), False
            for chunk in chunks:
                whole.write(chunk)
                if whole.tell() > FREE_BYTES and not alone:
                    alone = self._large.acquire(timeout=self._seconds)
                    if not alone:
                        raise UnreadableImage(name, "other large images are fetched; try again")
                    stack.callback(self._large.release)
            return whole.getvalue()


def _cache_of(settings: BackendSettings) -> ImageCache | None:
    if not settings.cache_megabytes:
        return None
    folder = Path(settings.cache_folder or home() / "label-studio" / "images")
    return ImageCache(folder, settings.cache_megabytes * MEGABYTE)


def _image_chunks(reply: Reply, max_bytes: int) -> Iterator[bytes]:
    """The body; raises as soon as it is too large, or does not begin like an image."""
    if (reply.length or 0) > max_bytes:
        raise ValueError(_too_large(max_bytes))
    head, total = b"", 0
    for data in reply.body:
        head, total = head if len(head) >= _SIGNATURE_BYTES else head + data, total + len(data)
        if len(head) >= _SIGNATURE_BYTES and not head.startswith(_SIGNATURES):
            kind = reply.headers.get_content_type()
            raise ValueError(f"what its server sends is no image but '{kind}'")
        if total > max_bytes:
            raise ValueError(_too_large(max_bytes))
        yield data
    if len(head) < _SIGNATURE_BYTES:
        raise ValueError("what its server sends is empty")


def _too_large(max_bytes: int) -> str:
    return f"it is larger than {max_bytes / MEGABYTE:g} MB; PREMASK_MAX_IMAGE_MEGABYTES allows more"


def _inline_bytes(url: str, max_bytes: int) -> bytes:
    head, comma, tail = url.partition(",")
    if not comma or len(tail) > 4 * max_bytes:
        raise UnreadableImage(
            url_for_messages(url), _too_large(max_bytes) if comma else "it has no content"
        )
    data = unquote_to_bytes(tail)
    if head.lower().endswith(";base64"):
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise UnreadableImage(url_for_messages(url), f"it is broken ({error})") from error
    if len(data) > max_bytes:
        raise UnreadableImage(url_for_messages(url), _too_large(max_bytes))
    return data
