"""The journal of a folder of results: one line for each image, appended when it is done."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from premask.annotations import Labeled
from premask.errors import UnwritableOutput
from premask.files import unwritable
from premask.images import Image
from premask.labels.annotation_json import annotation_from_json, annotation_to_json

if sys.platform != "win32":
    import fcntl


_KEY = b'{"key":"'
"""How each line begins, so that keys are found without parsing the masks behind them."""


class Journal:
    """What was done, by a key that says for which pixels and with which settings.

    A process that is killed leaves at most one torn line at the end, which the next one cuts off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._end = path.open("ab", buffering=0)
            self._reader = path.open("rb")
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            _lock(self._end.fileno(), path)
        except UnwritableOutput:
            self.close()
            raise
        self._places = dict(self._scan())

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the next process in."""
        self._reader.close()
        self._end.close()

    def add(self, key: str, labeled: Labeled) -> None:
        """Remember a finished image."""
        line = _line(key, labeled)
        place = os.fstat(self._end.fileno()).st_size
        try:
            written = self._end.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            # Half a line would swallow the next one.
            self._end.truncate(place)
            raise unwritable(self.path, error) from error
        self._places[key] = place

    def get(self, key: str, name: str) -> Labeled:
        """A finished image, without its pixels, under the name that it has now."""
        self._reader.seek(self._places[key])
        return _labeled(json.loads(self._reader.readline()), name)

    def summary(self, key: str) -> tuple[list[str], float]:
        """Labels and seconds of a finished image, without decoding its masks."""
        self._reader.seek(self._places[key])
        record = json.loads(self._reader.readline())
        return [found["label"] for found in record["annotations"]], record["seconds"]

    def _scan(self) -> Iterator[tuple[str, int]]:
        """The key of each line, and where it begins; a torn last one is cut off."""
        place = 0
        for line in self._reader:
            if not line.endswith(b"\n"):
                self._end.truncate(place)
            elif line.startswith(_KEY):
                yield line[len(_KEY) : line.index(b'"', len(_KEY))].decode(), place
            place += len(line)


def _lock(descriptor: int, path: Path) -> None:
    """Only one process writes into a folder; the lock goes with the process."""
    if sys.platform == "win32":  # which has no flock; two runs at once are not noticed there
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UnwritableOutput(
            f"Another premask is writing into {path.parent.parent}. Wait for it, or use another "
            "folder."
        ) from error


def _line(key: str, labeled: Labeled) -> bytes:
    record = {
        "key": key,
        "size_hw": labeled.image.size_hw,
        "digest": labeled.image.digest,
        "seconds": round(labeled.seconds, 3),
        "annotations": [annotation_to_json(found) for found in labeled.annotations],
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _labeled(record: dict[str, Any], name: str) -> Labeled:
    height, width = record["size_hw"]
    return Labeled(
        image=Image(name=name, size_hw=(height, width), digest=record["digest"]),
        annotations=tuple(
            annotation_from_json(found, (height, width)) for found in record["annotations"]
        ),
        seconds=record["seconds"],
    )
