"""Who is at work on a plan: a small file for each process, that it writes anew as it goes on."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from premask.errors import UnwritableOutput
from premask.files import write_atomically
from premask.runs.progress import Progress

FOLDER = "workers"
"""Where these files lie in the folder of a plan."""

PAUSE = 5.0
"""Seconds between two writings."""

SILENCE = 600.0
"""After so many seconds without one, a process on another machine counts as gone; an image may take
minutes."""

_LONGEST = 3600.0
"""After so many seconds, the number of a process on this machine may be another one's."""

_MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process and what it has done; `shard` is None where it is at none.

    `seconds` is how long it has been at work, by a clock that nobody sets, and `images` are those
    that it labeled or that failed. `written` is the time of day, which only says when it was last
    heard of.
    """

    host: str
    pid: int
    device: str
    started: float
    written: float
    seconds: float = 0.0
    images: int = 0
    failed: int = 0
    shard: int | None = None
    shard_done: int = 0
    shard_images: int = 0
    shard_since: float = 0.0

    @property
    def is_here(self) -> bool:
        """Whether it seems to be alive."""
        # Clocks of machines differ, and some are set while it works: it may be of the future.
        silence = abs(time.time() - self.written)
        if self.host == socket.gethostname():
            return silence < _LONGEST and _is_alive(self.pid)
        return silence < SILENCE


@dataclass(slots=True, kw_only=True)
class Presence:
    """Says what this process does; where that can't be written, nobody is told, and nothing stops.

    One thread uses it.
    """

    folder: Path
    device: str
    _name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _began: float = field(default_factory=time.monotonic)
    _written: float = float("-inf")
    _worker: Worker | None = None
    _before: tuple[int, int] = (0, 0)

    @contextmanager
    def at(self, shard: int) -> Iterator[None]:
        """Inside the block it is at the shard. Whoever is there and gone has died there."""
        worker = self._now()
        self._before = worker.images, worker.failed
        self._write(
            replace(worker, shard=shard, shard_done=0, shard_images=0, shard_since=worker.written)
        )
        try:
            yield
        finally:
            self._write(replace(self._now(), shard=None))

    def note(self, progress: Progress) -> None:
        """It has got so far in the shard."""
        images, failed = self._before
        self._worker = replace(
            self._now(),
            images=images + progress.done - progress.reused,
            failed=failed + progress.failed,
            shard_done=progress.done,
            shard_images=progress.total or 0,
        )
        if time.monotonic() - self._written >= PAUSE:
            self._write(self._worker)

    def _now(self) -> Worker:
        seconds, written = time.monotonic() - self._began, time.time()
        worker = self._worker or Worker(
            host=socket.gethostname(),
            pid=os.getpid(),
            device=self.device,
            started=written - seconds,
            written=written,
        )
        return replace(worker, seconds=round(seconds, 1), written=written)

    def _write(self, worker: Worker) -> None:
        self._worker, self._written = worker, time.monotonic()
        name = f"{worker.host}-{worker.pid}-{self._name}.json"
        with suppress(UnwritableOutput):
            write_atomically(self.folder / FOLDER / name, json.dumps(asdict(worker)).encode())


def workers_of(folder: Path) -> Iterator[Worker]:
    """All processes that ever were at work on the plan in this folder."""
    for path in sorted((folder / FOLDER).glob("*.json")):
        # One that is being removed, or was half copied, says nothing.
        with suppress(OSError, ValueError, TypeError), path.open("rb") as file:
            yield Worker(**json.loads(file.read(_MOST_BYTES)))


def deadly_shards(folder: Path, tries: int) -> frozenset[int]:
    """The shards at which so many processes have died, whoever started them."""
    gone = Counter(worker.shard for worker in workers_of(folder) if not worker.is_here)
    return frozenset(
        shard for shard, deaths in gone.items() if shard is not None and deaths >= tries
    )


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # where the same call would be Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
