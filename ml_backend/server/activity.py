"""What the server did: counted for /metrics; the latest requests and errors for /status."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_backend.studio.json_reading import clean_text

REMEMBERED = 50
"""How many requests, and how many errors, /status shows."""

LONGEST_TEXT = 500

DROPPED_NAMES = 500
OTHERS = "(others)"
"""Names of what was found without a label are counted apart up to this number, and together from
then on: a model that makes up names must not fill the memory."""

REMEMBERED_PATHS = ("/setup", "/predict", "/webhook")

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)
"""Upper bounds of the histogram of how long requests take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequest:
    """One request, and how it was answered."""

    at: float
    path: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One error, as /status shows it."""

    at: float
    what: str
    reason: str

    def same_as(self, other: Trouble) -> bool:
        """Whether it is the same error at another time."""
        return (self.what, self.reason) == (other.what, other.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of all counts; `durations` is by path and upper bound in seconds."""

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
        """Count one request; those of `REMEMBERED_PATHS` appear on /status, too."""
        bound = next((limit for limit in SECONDS if seconds <= limit), math.inf)
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
        """Remember an error; the same one again replaces it, so that it hides no others."""
        what, reason = (clean_text(self.hide(text))[:LONGEST_TEXT] for text in (what, reason))
        trouble = Trouble(at=time.time(), what=what, reason=reason)
        with self._guard:
            if self._troubles and self._troubles[0].same_as(trouble):
                self._troubles.popleft()
            self._troubles.appendleft(trouble)

    def snapshot(self) -> Snapshot:
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
