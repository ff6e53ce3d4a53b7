"""How far work on many inputs has got: a snapshot, and the counter that makes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it got; `total` is None for inputs that don't know their length.

    `done` includes what failed, and what was `reused`: done by an earlier run, in no time.
    """

    done: int
    failed: int
    total: int | None
    seconds: float
    reused: int = 0
    thing: str = "images"

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where the total is not known."""
        return self.done / self.total if self.total else 0.0

    @property
    def rate(self) -> float | None:
        """How many are done in a second; None where that can't be known yet."""
        fresh = self.done - self.reused
        return fresh / self.seconds if fresh > 0 and self.seconds > 0 else None

    @property
    def eta_seconds(self) -> float | None:
        """What is left at the speed so far; None where that can't be known yet."""
        # What was reused took no time, so it would make the rest look fast.
        fresh = self.done - self.reused
        if self.total is None or not fresh:
            return None
        return self.seconds / fresh * (self.total - self.done)


ProgressWatcher = Callable[[Progress], object]
"""Is told how far it is, each time that something is done."""


@dataclass(slots=True, kw_only=True)
class ProgressCounter:
    """Counts what is done, from the moment that it is made, and tells a watcher if there is one.

    >>> counter = ProgressCounter(total=3)
    >>> counter.count(reused=True)
    >>> counter.count(failed=True)
    >>> progress = counter.progress()
    >>> progress.done, progress.failed, progress.reused
    (2, 1, 1)
    """

    total: int | None = None
    on_progress: ProgressWatcher | None = None
    thing: str = "images"
    done: int = 0
    failed: int = 0
    reused: int = 0
    _started: float = field(default_factory=time.monotonic)

    def count(self, *, failed: bool = False, reused: bool = False) -> None:
        """One more is done; `reused` says that an earlier run did it."""
        self.done += 1
        self.failed += failed
        self.reused += reused
        self.tell()

    def tell(self) -> None:
        """Show the watcher how far it is."""
        if self.on_progress is not None:
            self.on_progress(self.progress())

    def progress(self) -> Progress:
        """How far it is now."""
        # A project in a host may grow while its work is under way.
        total = None if self.total is None else max(self.total, self.done)
        return Progress(
            done=self.done,
            failed=self.failed,
            total=total,
            seconds=time.monotonic() - self._started,
            reused=self.reused,
            thing=self.thing,
        )
