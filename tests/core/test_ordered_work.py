"""Work ahead in threads: in order, a bounded number of items, and nothing lost or left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait

import pytest

from premask.runs.ordered_work import in_order


def numbers(count: int, taken: list[int]) -> Iterator[int]:
    for number in range(count):
        taken.append(number)
        yield number


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_no_more_items_are_taken_than_may_be_ahead(ahead: int) -> None:
    taken: list[int] = []
    work = in_order(str, numbers(20, taken), workers=2, name="test", ahead=ahead)
    for asked, (item, result) in enumerate(work, start=1):
        assert (item, result.result()) == (asked - 1, str(asked - 1))
        assert len(taken) == min(20, asked + ahead)


def test_what_was_handed_out_is_done_even_after_the_last_item() -> None:
    may_begin = threading.Event()

    def work(item: int) -> int:
        assert may_begin.wait(10)
        return item

    working = in_order(work, range(5), workers=1, name="test", ahead=0)
    futures = [future for _, future in (next(working) for _ in range(5))]
    threading.Timer(0.1, may_begin.set).start()
    # The end of the items waits for the threads, and cancels nothing.
    assert next(working, None) is None
    assert [future.result() for future in futures] == list(range(5))


def test_an_error_of_the_work_is_that_of_its_item_alone() -> None:
    work = in_order(lambda item: 1 // item, [1, 0, 1], workers=2, name="test")
    errors = [future.exception() for _, future in work]
    assert [type(error) for error in errors] == [type(None), ZeroDivisionError, type(None)]


def test_an_error_of_the_items_drops_what_is_not_begun() -> None:
    may_end, begun = threading.Event(), []

    def work(item: int) -> None:
        begun.append(item)
        assert may_end.wait(10)

    def items() -> Iterator[int]:
        yield from range(3)
        threading.Timer(0.1, may_end.set).start()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(in_order(work, items(), workers=1, name="test", ahead=9))
    assert begun == [0]


def test_closing_waits_for_what_is_under_way_and_begins_nothing() -> None:
    begun: list[int] = []
    working = in_order(begun.append, iter(range(100)), workers=1, name="test-closing", ahead=3)
    _, first = next(working)
    wait([first])
    working.close()
    assert len(begun) <= 4
    assert not any(thread.name.startswith("test-closing") for thread in threading.enumerate())
