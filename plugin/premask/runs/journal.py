"""The journal of a folder of results: one line for each image, appended when it is done."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from premask.annotations import Labeled
from premask.errors import FolderInUse, UnwritableOutput
from premask.files import unwritable
from premask.images import Image, digest_of
from premask.labels.annotation_json import (
    annotation_to_json,
    annotations_from_json,
    own_annotations_from_json,
)

if sys.platform != "win32":
    import fcntl


_KEY = b'{"key":"'
"""How each line begins, so that keys are found without parsing the masks behind them."""


class Summary(NamedTuple):
    """A finished image without its masks; `version` changes with the image or what was found."""

    labels: list[str]
    seconds: float
    version: str


class Journal:
    """What was done, by a key that says for which pixels and with which settings.

    A process that is killed leaves at most one torn line at the end, which the next one cuts off.
    What is `set_aside` is not done any more, but can still be had.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._aside_path = path.with_name(f"earlier-{path.name}")
        self._aside: Journal | None = None
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
        self._own = dict[str, Summary]()
        if self._aside_path.is_file():
            self._aside = Journal(self._aside_path)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the next process in."""
        self._reader.close()
        self._end.close()
        if self._aside is not None:
            self._aside.close()

    def keys(self) -> frozenset[str]:
        """The keys of all that is done."""
        return frozenset(self._places)

    def knows(self, key: str) -> bool:
        """Whether `get` has it: it is done, or was before it was set aside."""
        return key in self or (self._aside is not None and self._aside.knows(key))

    def set_aside(self) -> None:
        """Let nothing count as done, but lose nothing of it."""
        try:
            with self._aside_path.open("ab") as aside, self.path.open("rb") as lines:
                shutil.copyfileobj(lines, aside)
            self._end.truncate(0)
        except OSError as error:
            raise unwritable(self._aside_path, error) from error
        self._places.clear()
        self._own.clear()
        if self._aside is not None:
            self._aside.close()
        self._aside = Journal(self._aside_path)

    def forget_what_was_set_aside(self) -> None:
        """Only `get` what is done."""
        if self._aside is not None:
            self._aside.close()
            self._aside_path.unlink(missing_ok=True)
            self._aside = None

    def add(self, key: str, labeled: Labeled) -> None:
        """Remember a finished image."""
        found = [annotation_to_json(annotation) for annotation in labeled.annotations]
        line = _line(key, labeled, found)
        place = os.fstat(self._end.fileno()).st_size
        try:
            written = self._end.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            # Half a line would swallow the next one.
            self._end.truncate(place)
            raise unwritable(self.path, error) from error
        # Not where the end was before: on a disk without locks, another process may append as well.
        self._places[key] = self._end.tell() - len(line)
        # At the end of a run each image's is asked for once, and parsing all lines would take long.
        labels = [annotation.label for annotation in labeled.annotations]
        self._own[key] = Summary(
            labels, round(labeled.seconds, 3), _version(labeled.image.digest, found)
        )

    def get(self, key: str, name: str) -> Labeled:
        """A finished image, without its pixels, under the name that it has now."""
        if self._aside is not None and key not in self:
            return self._aside.get(key, name)
        self._reader.seek(self._places[key])
        return _labeled(json.loads(self._reader.readline()), name, is_own=key in self._own)

    def summary(self, key: str) -> Summary:
        """What a finished image is, without decoding its masks."""
        if self._aside is not None and key not in self:
            return self._aside.summary(key)
        if key in self._own:
            return self._own[key]
        self._reader.seek(self._places[key])
        record = json.loads(self._reader.readline())
        labels = [found["label"] for found in record["annotations"]]
        return Summary(labels, record["seconds"], _version(record["digest"], record["annotations"]))

    def _scan(self) -> Iterator[tuple[str, int]]:
        """The key of each line, and where it begins; a torn last one is cut off."""
        place = 0
        for line in self._reader:
            if not line.endswith(b"\n"):
                self._end.truncate(place)
            elif line.startswith(_KEY):
                yield line[len(_KEY) : line.index(b'"', len(_KEY))].decode(), place
            place += len(line)


def version_of(labeled: Labeled) -> str:
    """The same text as the `version` in the summary of this image, once it is in a journal."""
    found = [annotation_to_json(annotation) for annotation in labeled.annotations]
    return _version(labeled.image.digest, found)


def _version(digest: str, annotations: list[dict[str, Any]]) -> str:
    return digest_of(json.dumps([digest, annotations]).encode())


def _lock(descriptor: int, path: Path) -> None:
    """Only one process writes into a folder; the lock goes with the process."""
    if sys.platform == "win32":  # which has no flock; two runs at once are not noticed there
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            return  # a disk without locks, as some clusters have
        raise FolderInUse(
            f"Another premask is writing into {path.parent.parent}. Wait for it, or use another "
            "folder."
        ) from error


def _line(key: str, labeled: Labeled, found: list[dict[str, Any]]) -> bytes:
    record = {
        "key": key,
        "size_hw": labeled.image.size_hw,
        "digest": labeled.image.digest,
        "seconds": round(labeled.seconds, 3),
        "annotations": found,
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _labeled(record: dict[str, Any], name: str, *, is_own: bool) -> Labeled:
    """The image of a line; what somebody else may have written is checked."""
    (height, width), found = record["size_hw"], record["annotations"]
    return Labeled(
        image=Image(name=name, size_hw=(height, width), digest=record["digest"]),
        annotations=own_annotations_from_json(found)
        if is_own
        else annotations_from_json(found, (height, width)),
        seconds=record["seconds"],
    )
