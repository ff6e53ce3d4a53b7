"""What the server did: counted for /metrics, and the last of it remembered for /status."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REMEMBERED = 50
LONGEST_TEXT = 500

DROPPED_NAMES = 500
OTHERS = "(others)"
"""So many names of what was found without a label are told apart: some models make up their own."""

REMEMBERED_PATHS = ("/setup", "/predict", "/webhook")

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)
"""Upper bounds of the histogram of how long requests take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequest:
    """One request and its answer."""

    at: float
    path: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One error, as the person who looks for it needs it."""

    at: float
    what: str
    reason: str

    def same_as(self, other: Trouble) -> bool:
        """Whether it is the same error at another time."""
        return (self.what, self.reason) == (other.what, other.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of it at one moment; `durations` counts by path and by upper bound in seconds."""

    requests: Mapping[tuple[str, int], int]
    durations: Mapping[tuple[str, float], int]
    total_seconds: Mapping[str, float]
    predictions: Mapping[tuple[str, str], int]
    dropped: Mapping[str, int]
    recent: tuple[ServedRequest, ...]
    troubles: tuple[Trouble, ...]


class Activity:
    """Counters since the start, for many threads; `hide` takes secrets out of what is kept."""

    def __init__(self, hide: Callable[[str], str] = str) -> None:
        self.started = time.time()
        self.hide = hide
        self._guard = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._durations: Counter[tuple[str, float]] = Counter()
        self._total_seconds: defaultdict[str, float] = defaultdict(float)
        self._predictions: Counter[tuple[str, str]] = Counter()
        self._dropped: Counter[str] = Counter()
        self._recent: deque[ServedRequest] = deque(maxlen=REMEMBERED)
        self._troubles: deque[Trouble] = deque(maxlen=REMEMBERED)

    def served(self, path: str, status: int, seconds: float) -> None:
        """Count one request, and remember it unless it only asks how we are."""
        bound = next((each for each in SECONDS if seconds <= each), math.inf)
        with self._guard:
            self._requests[path, status] += 1
            self._durations[path, bound] += 1
            self._total_seconds[path] += seconds
            if path in REMEMBERED_PATHS:
                request = ServedRequest(at=time.time(), path=path, status=status, seconds=seconds)
                self._recent.appendleft(request)

    def predicted(self, mode: str, outcome: str, dropped: Mapping[str, int] | None = None) -> None:
        """Count one prediction: `mode` is batch or interactive, `outcome` ok, failed, late, ..."""
        with self._guard:
            self._predictions[mode, outcome] += 1
            for name, count in (dropped or {}).items():
                known = name in self._dropped or len(self._dropped) < DROPPED_NAMES
                self._dropped[name if known else OTHERS] += count

    def trouble(self, what: str, reason: str) -> None:
        """Remember an error; one that comes again at once takes the place of the one before."""
        trouble = Trouble(at=time.time(), what=what, reason=self.hide(reason)[:LONGEST_TEXT])
        with self._guard:
            if self._troubles and self._troubles[0].same_as(trouble):
                self._troubles.popleft()
            self._troubles.appendleft(trouble)

    def snapshot(self) -> Snapshot:
        """A copy of everything."""
        with self._guard:
            return Snapshot(
                requests=dict(self._requests),
                durations=dict(self._durations),
                total_seconds=dict(self._total_seconds),
                predictions=dict(self._predictions),
                dropped=dict(self._dropped),
                recent=tuple(self._recent),
                troubles=tuple(self._troubles),
            )
