"""The shards that are still to be done, handed out one by one, and how far they all are."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from premask.plans.shard_work import ShardOutcome
from premask.runs.progress import Progress, ProgressWatcher

BUSY_PAUSE = 2.0
"""Seconds until a shard that another process is at is tried again."""


@dataclass(slots=True)
class Trouble:
    """Processes that died at a shard `in_vain`, with no image more done; images that are given up.

    The reasons are by the ids of the images. It is kept while the shard is in other hands.
    """

    done: int = 0
    in_vain: int = 0
    given_up: dict[str, str] = field(default_factory=dict)

    def note_death(self, done: int) -> None:
        """One more died, when so many images were done."""
        self.in_vain = 0 if done > self.done else self.in_vain + 1
        self.done = done


@dataclass(slots=True, kw_only=True)
class ShardBoard:
    """Shared by the threads that each look after one device.

    `images` are those of all shards that are asked for, of which so many were `kept` from before.
    """

    todo: Iterable[int]
    images: int
    kept: int
    _error: Exception | None = None
    _lost: list[Exception] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)
    _busy: deque[tuple[float, int]] = field(default_factory=deque)
    _notes: deque[str] = field(default_factory=deque)
    _told_busy: set[int] = field(default_factory=set)
    _troubles: defaultdict[int, Trouble] = field(default_factory=lambda: defaultdict(Trouble))
    _counts: dict[int, Progress] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._waiting.extend(self.todo)

    @property
    def stopped(self) -> bool:
        """Whether all is to stop."""
        return self._stopped.is_set()

    @property
    def error(self) -> Exception | None:
        """Why not all is done, when nobody is at work any more."""
        return self._error or (self._lost[0] if self._lost and self._waiting else None)

    def take(self) -> int | None:
        """The next shard; None if there is none, or all is to stop."""
        while not self.stopped:
            with self._guard:
                if self._waiting:
                    return self._waiting.popleft()
                if not self._busy:
                    return None
                if self._busy[0][0] <= time.monotonic():
                    return self._busy.popleft()[1]
            self._stopped.wait(0.1)
        return None

    def pause(self) -> None:
        """Wait until another process may be done with a shard, or all is to stop."""
        self._stopped.wait(BUSY_PAUSE)

    def put_back(self, shard: int) -> None:
        """Another process is at it: when there is nothing else to do, it is tried again."""
        with self._guard:
            self._busy.append((time.monotonic() + BUSY_PAUSE, shard))
        if shard not in self._told_busy:
            self._told_busy.add(shard)
            self.tell(f"Shard {shard}: another process is at it; it is looked at again later.")

    def count(self, shard: int, progress: Progress) -> None:
        """So far a process has got in the shard."""
        first = self._counts.setdefault(shard, progress)
        # What an earlier process of this run did is no help of an earlier run.
        reused = min(first.reused, progress.reused)
        self._counts[shard] = replace(progress, reused=reused)

    def finish(self, outcome: ShardOutcome) -> None:
        """The shard is done, by the process that was asked or, meanwhile, by another one."""
        progress = Progress(
            done=outcome.images,
            failed=outcome.failed,
            total=outcome.images,
            seconds=outcome.seconds,
            reused=outcome.reused if outcome.won else outcome.images,
        )
        self.count(outcome.index, progress)

    def done_in(self, shard: int) -> int:
        """So many images of it were done when it was heard of last."""
        count = self._counts.get(shard)
        return 0 if count is None else count.done

    def trouble_with(self, shard: int) -> Trouble:
        """What went wrong with it so far."""
        return self._troubles[shard]

    def tell(self, note: str) -> None:
        """Something that a person should know, though all goes on."""
        self._notes.append(note)

    def notes(self) -> Iterator[str]:
        """What was told since this was asked last."""
        while self._notes:
            yield self._notes.popleft()

    def report(
        self,
        on_progress: ProgressWatcher | None,
        on_note: Callable[[str], object] | None,
        under_way: int = 0,
    ) -> None:
        """Tell those who listen what is new; so many images more are done, but not counted yet."""
        for note in self.notes():
            if on_note is not None:
                on_note(note)
        if on_progress is not None:
            progress = self.progress()
            on_progress(replace(progress, done=progress.done + under_way))

    def lose(self, shard: int, error: Exception) -> None:
        """A device is lost; its shard is for the others. Where none is left, that is the error."""
        with self._guard:
            self._waiting.appendleft(shard)
        self._lost.append(error)
        self.tell(str(error))

    def fail(self, error: Exception) -> None:
        """What nobody can go on after; the first one counts."""
        self._error = self._error or error
        self.stop()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped.set()

    def progress(self) -> Progress:
        """How far all of them are together."""
        counts = list(self._counts.values())
        return Progress(
            done=self.kept + sum(count.done for count in counts),
            failed=sum(count.failed for count in counts),
            total=self.images,
            seconds=time.monotonic() - self._began,
            reused=self.kept + sum(count.reused for count in counts),
        )
