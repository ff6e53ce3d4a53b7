"""Objects are followed through clips behind the requests, which take what is done so far."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ml_backend.predict.clip_pass import Pass, Wanted, Work, tracks_in
from ml_backend.predict.track_store import TrackFacts, TrackStore
from premask.errors import InvalidMask, ModelFailed, PremaskError
from premask.images import digest_of
from premask.prompts import Prompts
from premask.video.frames import Video

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("premask.label_studio")

WORKERS = 2
"""So many clips are gone through at once for people who wait, and one more for whole tasks: models
and decoders share the machine with images."""

KEPT_WORK = 64
"""Of so many objects it is kept how they were followed: a correction then begins where it is."""

LOCK = ".lock"

Follow = Callable[[Video, Mapping[int, Prompts], Path], Work]
"""The work for a clip and what is asked for in its frames; the folder remembers it."""


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
        # Read before, because others would wait for it.
        done = self._done(video, wanted)
        with self._guard:
            running = self._passes.get(wanted.owner)
            if running is not None and running.wanted.key == wanted.key:
                return running
            if running is not None:
                running.is_cancelled = True
            if done is not None:
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
        one.require_wanted()
        folder = self._folder / digest_of(f"{one.video.digest} {wanted.owner}".encode())
        with _alone_in(folder, one.require_wanted):
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
        """Keep only the folders of those that were followed last."""
        newest_first = sorted(_locks(self._folder), reverse=True)
        for _, lock in newest_first[KEPT_WORK:]:
            with suppress(OSError), lock.open("ab") as file:
                if _is_free(file):
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()


@contextmanager
def _alone_in(folder: Path, require_wanted: Callable[[], None]) -> Iterator[None]:
    """Wait until no other process works in the folder; the lock goes with the process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(LOCK).open("ab") as file:
        while not _is_free(file):
            require_wanted()
            time.sleep(0.2)
        os.utime(file.fileno())
        yield


def _is_free(file: IO[bytes]) -> bool:
    """Take the lock if nobody has it."""
    if sys.platform == "win32":  # which has no flock; two processes at once are not noticed there
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locks(folder: Path) -> Iterator[tuple[float, Path]]:
    """When each folder was worked in last, and its lock."""
    for lock in folder.glob(f"*{LOCK}"):
        with suppress(OSError):
            yield lock.stat().st_mtime, lock
