"""Objects are followed through clips behind the requests, which take what is done so far."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ml_backend.predict.track_store import TrackFacts, TrackStore
from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, ModelFailed, PremaskError
from premask.images import digest_of
from premask.labels.label_studio.video_regions import Seen
from premask.prompts import Prompts
from premask.runs.clips.clip_work import ClipStep
from premask.video.frames import Video

log = logging.getLogger("premask.label_studio")

WORKERS = 2
"""So many clips are gone through at once for people who wait, and one more for whole tasks: models
and decoders share the machine with images."""

KEPT_WORK = 64
"""Of so many objects it is kept how they were followed: a correction then begins where it is."""

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


Follow = Callable[[Video, Mapping[int, Prompts], Path], Work]
"""The work for a clip and what is asked for in its frames; the folder remembers it."""


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
        if self.is_cancelled:
            raise Stopped("Something else was asked for.")
        self._step = step
        if self.is_looked_for and self.work is not None:
            self.tracks = tracks_in(self.work.frames)
            self.is_looked_for = False
            self.looked.set()

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


class Following:
    """Follows objects through clips, a few at a time; many threads may ask."""

    def __init__(self, follow: Follow, store: TrackStore, folder: Path) -> None:
        self.store = store
        self._follow, self._folder = follow, folder
        self._passes: dict[str, Pass] = {}
        self._guard = threading.Lock()
        # Nobody who drew a box waits behind a whole project.
        self._for_people = ThreadPoolExecutor(WORKERS, "premask-video")
        self._for_tasks = ThreadPoolExecutor(1, "premask-whole-video")

    def ask(self, video: Video, wanted: Wanted) -> Pass:
        """The pass for this: done before, under way, or begun now."""
        with self._guard:
            running = self._passes.get(wanted.owner)
            if running is not None and running.wanted.key == wanted.key:
                return running
            if running is not None:
                running.is_cancelled = True
            if (done := self._done(video, wanted)) is not None:
                return done
            one = Pass(wanted, video, None)
            self._passes[wanted.owner] = one
            threads = self._for_people if wanted.asked else self._for_tasks
            threads.submit(self._run, one, running)
            return one

    def progress(self) -> list[tuple[str, str]]:
        """What is gone through now, and how far."""
        with self._guard:
            return [(one.wanted.what, one.progress) for one in self._passes.values()]

    def close(self) -> None:
        """Stop at the next frames; what is done stays."""
        with self._guard:
            for one in self._passes.values():
                one.stop()
            self._passes.clear()
        for threads in (self._for_people, self._for_tasks):
            threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, video: Video, wanted: Wanted) -> Pass | None:
        facts = self.store.facts(wanted.key)
        if facts is None:
            return None
        one = Pass(wanted, video, None)
        try:
            one.tracks = tracks_in(self.store.frames(wanted.key, facts.size_hw))
        except InvalidMask as error:
            log.warning("%s: %s", wanted.what, error)
            return None
        one.over.set()
        return one

    def _run(self, one: Pass, before: Pass | None) -> None:
        try:
            # Two passes in one folder would spoil it.
            if before is not None:
                before.over.wait()
            self._go_through(one)
        except PremaskError as error:
            one.error = error
        except Exception as error:
            log.exception("%s", one.wanted.what)
            one.error = ModelFailed(f"'{one.video.name}' can't be followed: {error}.")
        finally:
            with self._guard:
                if self._passes.get(one.wanted.owner) is one:
                    del self._passes[one.wanted.owner]
            one.looked.set()
            one.over.set()

    def _go_through(self, one: Pass) -> None:
        wanted = one.wanted
        if one.is_cancelled:
            raise Stopped("Something else was asked for.")
        folder = self._folder / digest_of(f"{one.video.digest} {wanted.owner}".encode())
        one.work = self._follow(one.video, wanted.prompts, folder)
        for step in one.work.run():
            one.step(step)
        if one.work.error is not None:
            log.warning("%s: %s", wanted.what, one.work.error)
        facts = TrackFacts(size_hw=one.video.size_hw, fps=one.video.fps, asked=wanted.asked)
        self.store.put(wanted.key, facts, one.work.frames)
        one.tracks = tracks_in(one.work.frames)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Keep only the folders of those that were followed last, and of those under way."""
        folders = sorted(self._folder.iterdir(), key=lambda folder: -folder.stat().st_mtime)
        for folder in folders[KEPT_WORK:]:
            shutil.rmtree(folder, ignore_errors=True)


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
