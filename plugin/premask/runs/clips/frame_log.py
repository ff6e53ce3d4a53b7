"""What was found in the frames of a clip: one line each, appended, and read back by the frame."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from premask.annotations import Annotation
from premask.files import unwritable
from premask.labels.annotation_json import annotation_from_json, annotation_to_json
from premask.masks import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One object in one frame; `stretch` is a key of all that decides it. None: it isn't seen."""

    track: int
    stretch: str
    annotation: Annotation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedFrame:
    """One line of the log. `ended` are the keys of stretches that are over behind this frame."""

    frame: int
    time: float
    entries: tuple[Entry, ...]
    ended: tuple[str, ...] = ()


class FrameLog:
    """A file of frames in the order in which they were done, up or down.

    In memory is only where each line begins, and how far each stretch goes. A process that is
    killed leaves at most one torn line, which is cut off.
    """

    def __init__(self, path: Path, size_hw: Size) -> None:
        self.path, self._size_hw = path, size_hw
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._end = path.open("ab", buffering=0)
            self._lines = path.open("rb")
        except OSError as error:
            raise unwritable(path, error) from error
        self._places: dict[int, int] = {}
        self._reach: dict[str, tuple[int, int]] = {}
        self._ended: set[str] = set()
        self._scan()

    def __enter__(self) -> FrameLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._end.close()
        self._lines.close()

    @property
    def frames(self) -> Sequence[int]:
        """The frames that are in it, in the order in which they came."""
        return list(self._places)

    def __contains__(self, frame: int) -> bool:
        return frame in self._places

    def add(self, logged: LoggedFrame) -> None:
        """Append a frame."""
        try:
            place = os.fstat(self._end.fileno()).st_size
            self._end.write(_line(logged))
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._note(logged, place)

    def get(self, frame: int) -> LoggedFrame:
        """What was found in this frame."""
        self._lines.seek(self._places[frame])
        return _logged(self._lines.readline(), self._size_hw)

    def __iter__(self) -> Iterator[LoggedFrame]:
        return (self.get(frame) for frame in list(self._places))

    def keep(self, count: int) -> None:
        """Drop all frames behind the first so many."""
        frames = list(self._places)
        if count < len(frames):
            self._end.truncate(self._places[frames[count]])
            # What it has read ahead is there no more.
            self._lines.close()
            self._lines = self.path.open("rb")
            self._places.clear()
            self._reach.clear()
            self._ended.clear()
            self._scan()

    def has(self, stretch: str, last: int | None) -> bool:
        """Whether all of a stretch is in it: up to the frame `last`, or else to where it ends."""
        if stretch not in self._reach:
            return False
        _, reached = self._reach[stretch]
        if last is None:
            return stretch in self._ended or reached == list(self._places)[-1]
        return reached >= last or stretch in self._ended

    def _scan(self) -> None:
        self._lines.seek(0)
        place = 0
        for line in self._lines:
            if not line.endswith(b"\n"):
                self._end.truncate(place)
                break
            self._note(_logged(line, self._size_hw), place)
            place += len(line)

    def _note(self, logged: LoggedFrame, place: int) -> None:
        self._places[logged.frame] = place
        for entry in logged.entries:
            first, _ = self._reach.get(entry.stretch, (logged.frame, logged.frame))
            self._reach[entry.stretch] = first, logged.frame
        self._ended.update(logged.ended)


def _line(logged: LoggedFrame) -> bytes:
    entries = [
        [
            entry.track,
            entry.stretch,
            None if entry.annotation is None else annotation_to_json(entry.annotation),
        ]
        for entry in logged.entries
    ]
    record = [logged.frame, logged.time, entries, list(logged.ended)]
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _logged(line: bytes, size_hw: Size) -> LoggedFrame:
    frame, time, entries, ended = json.loads(line)
    return LoggedFrame(
        frame=frame,
        time=time,
        entries=tuple(
            Entry(
                track=track,
                stretch=stretch,
                annotation=None if found is None else annotation_from_json(found, size_hw),
            )
            for track, stretch, found in entries
        ),
        ended=tuple(ended),
    )
