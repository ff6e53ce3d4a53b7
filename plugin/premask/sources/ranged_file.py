"""A file anywhere as an open file that can be sought in, and never read without a bound."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from premask.errors import UnreadableImage
from premask.sources.places import Places

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1 << 20


def opened(uri: str, places: Places, *, most_at_once: int = 1 << 26) -> BoundedReader:
    """The file, buffered; who wants more than `most_at_once` bytes in one piece is refused."""
    size = places.stat(uri).size
    if size is None:
        raise UnreadableImage(uri, "its server does not say how large it is")
    return BoundedReader(_RangedFile(uri, places, size), most_at_once)


class BoundedReader(io.BufferedReader):
    """Refuses pieces that are larger than any honest file has: they are where bombs go off."""

    def __init__(self, raw: _RangedFile, most_at_once: int) -> None:
        super().__init__(raw, _BUFFER_BYTES)
        self.uri, self.size = raw.uri, raw.size
        self._most_at_once = most_at_once

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.size - self.tell() if size is None or size < 0 else size
        if wanted > self._most_at_once:
            raise UnreadableImage(self.uri, f"{wanted:,} bytes in one piece: is it a bomb?")
        return super().read(wanted)


class _RangedFile(io.RawIOBase):
    """Asks its place for a range of bytes each time that some are read."""

    def __init__(self, uri: str, places: Places, size: int) -> None:
        super().__init__()
        self.uri, self.size = uri, size
        self._places, self._at = places, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise OSError(f"there is nothing before the beginning of {self.uri}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        wanted = max(0, min(len(memoryview(buffer)), self.size - self._at))
        if not wanted:
            return 0
        data = self._places.read(self.uri, self._at, wanted)
        memoryview(buffer)[: len(data)] = data
        self._at += len(data)
        return len(data)
