"""Images of tasks, decoded; those that people click on stay in memory for the next click."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

from premask.images import Image, digest_of, read_image
from premask.web.addresses import url_for_messages


class Fetcher(Protocol):
    """Gets the file that a task's data names."""

    def image_bytes(self, url: str, *, task_id: int | None = None) -> bytes:
        """The file as it is stored, or `UnreadableImage`."""
        ...


class TaskImages:
    """Fetches and decodes the upright images of tasks; may be used by many threads."""

    def __init__(self, fetcher: Fetcher, *, memory_bytes: int) -> None:
        self._fetcher = fetcher
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[str, Image] = OrderedDict()
        self._guard = threading.Lock()

    @property
    def nbytes(self) -> int:
        """The memory that kept images take."""
        with self._guard:
            return sum(image.rgb.nbytes for image in self._kept.values())

    def image(self, url: str, *, task_id: int | None, keep: bool) -> Image:
        """The image at this address.

        The file is fetched each time, because it may have changed. An image that was kept is not
        decoded again.
        """
        data = self._fetcher.image_bytes(url, task_id=task_id)
        digest = digest_of(data)
        with self._guard:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        image = read_image(data, url_for_messages(url))
        if keep:
            self._keep(digest, image)
        return image

    def _keep(self, digest: str, image: Image) -> None:
        with self._guard:
            self._kept[digest] = image
            taken = sum(kept.rgb.nbytes for kept in self._kept.values())
            while taken > self._memory_bytes:
                taken -= self._kept.popitem(last=False)[1].rgb.nbytes
