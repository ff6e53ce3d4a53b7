"""Work in threads: a bounded number of jobs waits, and who asks for the same shares one."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")


class QueueFull(Exception):
    """As many jobs wait as may; come again later."""


class Lane:
    """Jobs in the order in which they came, a few at a time."""

    def __init__(self, name: str, *, workers: int, max_waiting: int) -> None:
        self.name = name
        self.workers = workers
        self.max_waiting = max_waiting
        self._open: set[Future[Any]] = set()
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(workers, f"premask-{name}")

    @property
    def running(self) -> int:
        """Jobs under way."""
        with self._guard:
            return sum(each.running() for each in self._open)

    @property
    def waiting(self) -> int:
        """Jobs that nobody works on yet."""
        with self._guard:
            return sum(not (each.running() or each.done()) for each in self._open)

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """A future that can be cancelled while the job waits; `QueueFull` if too many do."""
        with self._guard:
            if len(self._open) >= self.max_waiting + self.workers:
                raise QueueFull
            future = self._threads.submit(job)
            self._open.add(future)
        future.add_done_callback(self._closed)
        return future

    def close(self) -> None:
        """Finish what is under way, and drop what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _closed(self, future: Future[Any]) -> None:
        with self._guard:
            self._open.discard(future)


class SharedWork:
    """Jobs by key. A result that came too late for who asked is kept until somebody asks again."""

    def __init__(self, *, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._under_way: dict[str, _Once] = {}
        self._askers: Counter[str] = Counter()
        self._guard = threading.RLock()

    @property
    def nbytes(self) -> int:
        """The memory that results take which nobody has collected yet."""
        with self._guard:
            return sum(map(len, self._kept.values()))

    def ask(self, key: str, job: Callable[[], bytes], lane: Lane) -> Future[bytes]:
        """The result, kept or to come. A job that waits in another lane waits in this one, too."""
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
        """The result was handed over: there is no need to keep it."""
        with self._guard:
            self._kept.pop(key, None)

    def give_up(self, key: str, result: Future[bytes]) -> None:
        """Who asked for this result has gone; a job that nobody waits for is not begun."""
        with self._guard:
            once = self._under_way.get(key)
            # It may be another job by now, for somebody who asked after this one was done.
            if once is None or once.future is not result:
                return
            self._askers[key] -= 1
            if not self._askers[key] and result.cancel():
                self._forget(key)

    def _ended(self, key: str, result: bytes | None) -> None:
        """A job is done, or failed; nobody has been told yet."""
        with self._guard:
            self._forget(key)
            if result is not None:
                self._kept[key] = result
            while len(self._kept) > 1 and self.nbytes > self._kept_bytes:
                self._kept.popitem(last=False)

    def _forget(self, key: str) -> None:
        del self._under_way[key], self._askers[key]


class _Once:
    """A job that waits in several lanes, and runs in the one that gets to it first."""

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
        # Whoever asked gets it.
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
