"""Work on a stream of items in threads, a bounded number ahead, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Unless told otherwise, so many items a worker are begun or done before somebody asks for them."""


def read_ahead(items: Iterator[Item], *, count: int, name: str) -> Generator[Item, None, None]:
    """The same items, none of which is None; a thread of this name makes so many of the next ones.

    What making one raises comes in its place. Closing the generator waits for the one under way.
    """
    with ThreadPoolExecutor(1, name) as thread:
        under_way = deque(thread.submit(next, items, None) for _ in range(count))
        try:
            while (item := under_way.popleft().result()) is not None:
                under_way.append(thread.submit(next, items, None))
                yield item
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
            if isinstance(items, Generator):
                items.close()


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    name: str,
    ahead: int | None = None,
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Call `work` for the items in threads of this name; hand out each item with its future.

    An item comes when its turn does, even if its future is not done yet: who wants to wait asks
    for `result()`, which also raises what `work` raised. At most `ahead` items (by default two a
    worker) are under way beyond the one that was handed out, so results do not pile up in memory.
    Items are taken in the thread that iterates. Closing the generator, or an error of `items`,
    drops what is not begun and waits for the rest.
    """
    if ahead is None:
        ahead = AHEAD * workers
    under_way: deque[tuple[Item, Future[Result]]] = deque()
    # Leaving the block waits for the threads.
    with ThreadPoolExecutor(workers, name) as threads:
        try:
            for item in items:
                under_way.append((item, threads.submit(work, item)))
                if len(under_way) > ahead:
                    yield under_way.popleft()
            while under_way:
                yield under_way.popleft()
        except BaseException:
            # Only here, and not after the last item: its future may be handed out and not begun.
            threads.shutdown(wait=False, cancel_futures=True)
            raise
