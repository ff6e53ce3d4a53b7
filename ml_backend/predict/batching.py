"""Items that many threads bring one by one are processed together, in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Calls `run` with up to `size` items, and up to `calls` times at once.

    Nobody waits for a batch to fill: the next one gathers while calls are under way.
    """

    def __init__(
        self, run: Callable[[Sequence[Item]], Sequence[Result]], *, size: int, calls: int
    ) -> None:
        self._run = run
        self._size = size
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._guard = threading.Lock()
        self._calls = threading.Semaphore(calls)

    def result_of(self, item: Item) -> Result:
        """The result of this item; raises the error of the call that it was in."""
        mine: Future[Result] = Future()
        with self._guard:
            self._waiting.append((item, mine))
        with self._calls:
            self._run_oldest()
        # The item was in this call, or in that of another thread, or it will be in the next one:
        # there are never more items than threads that have yet to call.
        return mine.result()

    def _run_oldest(self) -> None:
        with self._guard:
            batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
        try:
            results = self._run([item for item, _ in batch]) if batch else ()
            pairs = list(zip(batch, results, strict=True))
        # The threads that wait for these items raise it.
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), result in pairs:
                future.set_result(result)
