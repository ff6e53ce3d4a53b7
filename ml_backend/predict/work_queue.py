"""Bounded queues of jobs, and jobs that several callers share."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")


class QueueFull(Exception):
    """No more jobs may wait."""


class Lane:
    """A queue of jobs with threads of its own; the jobs start in the order in which they came."""

    def __init__(self, name: str, *, workers: int, max_waiting: int) -> None:
        self.name = name
        self.workers = workers
        self.max_waiting = max_waiting
        self._open: set[Future[Any]] = set()
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(workers, f"premask-{name}")

    @property
    def running(self) -> int:
        """How many jobs are under way."""
        with self._guard:
            return sum(job.running() for job in self._open)

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        with self._guard:
            return sum(not (job.running() or job.done()) for job in self._open)

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """Queue a job; raises `QueueFull` if too many wait. It can be cancelled while it waits."""
        with self._guard:
            if len(self._open) >= self.max_waiting + self.workers:
                raise QueueFull
            future = self._threads.submit(job)
            self._open.add(future)
        future.add_done_callback(self._closed)
        return future

    def close(self, seconds: float | None = None) -> bool:
        """Drop what waits, and wait for what is under way; says whether it ended in time."""
        with self._guard:
            jobs = set(self._open)
        self._threads.shutdown(wait=False, cancel_futures=True)
        # Nobody tells `wait` of those that were just dropped.
        return not wait([job for job in jobs if not job.done()], seconds).not_done

    def _closed(self, future: Future[Any]) -> None:
        with self._guard:
            self._open.discard(future)


class SharedWork:
    """Jobs by key, which callers with the same key share.

    Label Studio stops waiting at some time, but asks again: a result that came too late is kept for
    that, as long as the memory for it lasts.
    """

    def __init__(self, *, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._under_way: dict[str, _Once] = {}
        self._askers: Counter[str] = Counter()
        self._guard = threading.RLock()

    @property
    def nbytes(self) -> int:
        """The memory of results that nobody has collected yet."""
        with self._guard:
            return sum(map(len, self._kept.values()))

    def ask(self, key: str, job: Callable[[], bytes], lane: Lane) -> Future[bytes]:
        """The result of the job with this key, which is started only if there is none yet.

        A job that waits in another lane waits in this one, too, and runs in the one that is faster.
        """
        with self._guard:
            if key in self._kept:
                return _done(self._kept[key])
            once = self._under_way.get(key) or _Once(job, partial(self._ended, key))
            if lane not in once.lanes:
                lane.submit(once.run)
                once.lanes.append(lane)
                self._under_way[key] = once
            self._askers[key] += 1
            return once.future

    def collect(self, key: str) -> None:
        """Forget a result that was handed over."""
        with self._guard:
            self._kept.pop(key, None)

    def give_up(self, key: str, result: Future[bytes]) -> None:
        """Say that one caller waits no more; a job that nobody waits for is not begun."""
        with self._guard:
            once = self._under_way.get(key)
            # It may be another job by now, of a caller who asked after this one was done.
            if once is None or once.future is not result:
                return
            self._askers[key] -= 1
            if not self._askers[key] and result.cancel():
                self._forget(key)

    def _ended(self, key: str, result: bytes | None) -> None:
        """Keep the result of a job that is done; `None` is one that failed.

        This happens before the future is set: a caller who is told may collect the result at once.
        """
        with self._guard:
            self._forget(key)
            if result is not None:
                self._kept[key] = result
            while len(self._kept) > 1 and self.nbytes > self._kept_bytes:
                self._kept.popitem(last=False)

    def _forget(self, key: str) -> None:
        del self._under_way[key], self._askers[key]


class _Once:
    """A job that waits in several lanes, and runs in the one whose turn comes first."""

    def __init__(self, job: Callable[[], bytes], ended: Callable[[bytes | None], object]) -> None:
        self.future: Future[bytes] = Future()
        self.lanes: list[Lane] = []
        self._job = job
        self._ended = ended
        self._untaken = threading.Semaphore(1)

    def run(self) -> None:
        """Do the job, unless it was done or cancelled."""
        if not self._untaken.acquire(blocking=False):
            return
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._job()
        # The callers who wait for the future raise it.
        except BaseException as error:
            self._ended(None)
            self.future.set_exception(error)
        else:
            self._ended(result)
            self.future.set_result(result)


def _done(result: bytes) -> Future[bytes]:
    future: Future[bytes] = Future()
    future.set_result(result)
    return future
