"""One pass through a clip: what is asked, how far it is, and where its objects were seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from premask.annotations import Annotation, Labeled
from premask.errors import PremaskError
from premask.labels.label_studio.video_regions import Seen
from premask.prompts import Prompts
from premask.runs.clips.clip_work import ClipStep
from premask.video.frames import Video

LOOK_SECONDS = 5.0
"""How long a request waits for a worker to say what is done: that is between two frames."""


class Work(Protocol):
    """One clip's passes, in a folder of their own: `premask.runs.clips.clip_work.ClipWork`."""

    def run(self) -> Iterator[ClipStep]:
        """Do what is not done; a step for each frame. Closing it keeps what is done."""
        ...

    @property
    def frames(self) -> Iterable[Labeled]:
        """What was found so far."""
        ...

    @property
    def error(self) -> PremaskError | None:
        """Why the clip ends early, if it does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be followed in a clip. `key` names the result.

    `owner` is who asks: a later question of the same owner takes the place of this one, and what
    they have in common is not done again. `asked` are the keyframes of a person.
    """

    key: str
    owner: str
    what: str
    prompts: Mapping[int, Prompts]
    asked: tuple[tuple[float, ...], ...] = ()


class Track:
    """Where one object was seen so far. Its masks are on disk."""

    def __init__(self, number: int, label: str) -> None:
        self.number, self.label = number, label
        self.seen: list[Seen] = []
        self._scores: list[float] = []

    def add(self, time: float, found: Annotation | None) -> None:
        """Note where it is from this time on, or that it is not there."""
        self.seen.append(Seen(time=time, box_xyxy=None if found is None else found.box_xyxy))
        if found is not None and found.score is not None:
            self._scores.append(found.score)

    @property
    def score(self) -> float | None:
        """The mean of the scores of the frames that it was seen in."""
        return sum(self._scores) / len(self._scores) if self._scores else None


class Pass:
    """One object, or all that is found, on its way through a clip."""

    def __init__(self, wanted: Wanted, video: Video, work: Work | None) -> None:
        self.wanted, self.video, self.work = wanted, video, work
        self.tracks: Sequence[Track] = ()
        self.error: PremaskError | None = None
        self.over = threading.Event()
        self.looked = threading.Event()
        self.is_looked_for = self.is_cancelled = False
        self._began, self._step = time.monotonic(), ClipStep(done=0, total=None, reused=0)

    def result(self, seconds: float | None) -> Sequence[Track]:
        """The tracks as far as they are after this time, or all; raises what went wrong."""
        if not self.over.wait(None if seconds is None else max(0.0, seconds)):
            self.looked.clear()
            self.is_looked_for = True
            self.looked.wait(LOOK_SECONDS)
        if self.error is not None:
            raise self.error
        return self.tracks

    def step(self, step: ClipStep) -> None:
        """Note how far it is, and show what there is if somebody wants to see it."""
        self.require_wanted()
        self._step = step
        if self.is_looked_for and self.work is not None:
            self.tracks = tracks_in(self.work.frames)
            self.is_looked_for = False
            self.looked.set()

    def require_wanted(self) -> None:
        """Raise where nobody waits for it any more."""
        if self.is_cancelled:
            raise Stopped("Something else was asked for.")

    def stop(self) -> None:
        """End at the next frame; those who wait are told at once."""
        self.is_cancelled = True
        self.error = self.error or Stopped("The server stops.")
        self.looked.set()
        self.over.set()

    @property
    def progress(self) -> str:
        """How far it is, for people."""
        step, seconds = self._step, max(1e-3, time.monotonic() - self._began)
        of = f" of about {step.total:,}" if step.total else ""
        return f"frame {step.done:,}{of}, {(step.done - step.reused) / seconds:.1f} a second"


class Stopped(PremaskError):
    """Nobody waits for the result any more."""


def tracks_in(frames: Iterable[Labeled]) -> list[Track]:
    """The objects in these frames; those that come later were not there before."""
    tracks: dict[int, Track] = {}
    times: list[float] = []
    for labeled in frames:
        there = {found.track: found for found in labeled.annotations if _is_seen(found)}
        for number, found in there.items():
            if number is not None and number not in tracks:
                tracks[number] = Track(number, found.label)
                for earlier in times:
                    tracks[number].add(earlier, None)
        times.append(labeled.time or 0.0)
        for number, track in tracks.items():
            track.add(times[-1], there.get(number))
    return list(tracks.values())


def _is_seen(found: Annotation) -> bool:
    return found.mask is None or found.mask.area > 0
