"""From frames to tracks: what comes frame by frame waits on the disk, and is had track by track."""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable, Iterator
from typing import Any, BinaryIO, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Json = dict[str, Any]


class TrackSpool(Generic[Key]):
    """Records by track and position; in memory are 16 bytes for each."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: dict[Key, array[int]] = {}

    def add(self, track: Key, position: int, record: Json) -> bool:
        """Put a record away, unless the track has one at this position, which must not go down."""
        places = self._places.setdefault(track, array("q"))
        if places and places[-2] == position:
            return False
        places.extend((position, self._file.tell()))
        self._file.write(json.dumps(record).encode() + b"\n")
        return True

    def tracks(self) -> Iterator[tuple[Key, Iterator[tuple[int, Json]]]]:
        """Each track in the order of its first record, with its positions and records."""
        for track, places in self._places.items():
            yield track, self._rows(places)

    def _rows(self, places: array[int]) -> Iterator[tuple[int, Json]]:
        for position, offset in zip(places[::2], places[1::2], strict=True):
            self._file.seek(offset)
            yield position, json.loads(self._file.readline())
