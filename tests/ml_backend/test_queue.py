"""The work queue: limits, shared jobs, cancelled jobs, and results that come too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice

import pytest

from ml_backend.predict.work_queue import Lane, QueueFull, SharedWork
from premask.runs.ordered_work import AHEAD, in_order

SOON = 10


class Gate:
    """A job that tells when it begins, and waits until the test lets it end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.runs = 0

    def __call__(self) -> bytes:
        self.runs += 1
        self.begun.set()
        assert self.may_end.wait(SOON)
        return b"done"


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("test", workers=1, max_waiting=2)
    yield lane
    lane.close()


@pytest.fixture
def busy(lane: Lane) -> Iterator[Gate]:
    """A job that keeps the lane's only worker busy."""
    gate = Gate()
    lane.submit(gate)
    assert gate.begun.wait(SOON)
    yield gate
    gate.may_end.set()


@pytest.fixture
def fast_lane() -> Iterator[Lane]:
    lane = Lane("fast", workers=1, max_waiting=2)
    yield lane
    lane.close()


def is_free(lane: Lane) -> None:
    """Wait until the lane has no job left."""
    lane.submit(lambda: b"").result(SOON)


def test_a_lane_takes_so_many_jobs_and_no_more(lane: Lane, busy: Gate) -> None:
    waiting = [lane.submit(lambda: b"") for _ in range(2)]
    assert (lane.running, lane.waiting) == (1, 2)
    with pytest.raises(QueueFull):
        lane.submit(lambda: b"")
    waiting[0].cancel()
    assert lane.submit(lambda: b"again")
    busy.may_end.set()
    assert waiting[1].result(SOON) == b""


def test_a_failed_job_leaves_its_place(lane: Lane) -> None:
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            lane.submit(lambda: 1 // 0).result(SOON)
    assert (lane.running, lane.waiting) == (0, 0)


def test_who_asks_for_the_same_shares_one_job(lane: Lane) -> None:
    work, job = SharedWork(kept_bytes=100), Gate()
    asked = [work.ask("key", job, lane) for _ in range(3)]
    job.may_end.set()
    assert [result.result(SOON) for result in asked] == [b"done"] * 3
    assert job.runs == 1


def test_a_late_result_is_kept_until_it_is_collected(lane: Lane) -> None:
    work, job = SharedWork(kept_bytes=100), Gate()
    job.may_end.set()
    work.ask("key", job, lane).result(SOON)
    is_free(lane)
    assert work.nbytes == 4
    assert work.ask("key", job, lane).result(0) == b"done"
    work.collect("key")
    assert work.nbytes == 0
    work.ask("key", job, lane).result(SOON)
    assert job.runs == 2


def test_a_failure_is_not_kept(lane: Lane) -> None:
    work, failures = SharedWork(kept_bytes=100), [ValueError("no")]

    def job() -> bytes:
        if failures:
            raise failures.pop()
        return b"yes"

    with pytest.raises(ValueError, match="no"):
        work.ask("key", job, lane).result(SOON)
    is_free(lane)
    assert work.ask("key", job, lane).result(SOON) == b"yes"


def test_the_oldest_results_make_room_but_the_newest_stays(lane: Lane) -> None:
    work = SharedWork(kept_bytes=10)
    for key in ("a", "b", "c"):
        work.ask(key, lambda: b"12345678", lane).result(SOON)
    is_free(lane)
    assert work.nbytes == 8
    again = Gate()
    assert work.ask("c", again, lane).result(0) == b"12345678"
    assert again.runs == 0


def test_a_job_that_nobody_waits_for_is_not_begun(lane: Lane, busy: Gate) -> None:
    work, job = SharedWork(kept_bytes=100), Gate()
    future = work.ask("key", job, lane)
    work.ask("key", job, lane)
    work.give_up("key", future)
    assert not future.cancelled()
    work.give_up("key", future)
    assert future.cancelled()
    busy.may_end.set()
    is_free(lane)
    assert job.runs == 0
    job.may_end.set()
    assert work.ask("key", job, lane).result(SOON) == b"done"


def test_giving_up_an_older_result_cancels_nobody(lane: Lane) -> None:
    work = SharedWork(kept_bytes=100)
    older = work.ask("key", lambda: b"done", lane)
    older.result(SOON)
    work.collect("key")
    gate = Gate()
    lane.submit(gate)
    newer = work.ask("key", lambda: b"again", lane)
    work.ask("key", lambda: b"again", lane)
    work.give_up("key", older)
    work.give_up("key", newer)
    assert not newer.cancelled()
    gate.may_end.set()
    assert newer.result(SOON) == b"again"


def test_a_task_that_somebody_opens_overtakes_the_batch_that_it_waits_in(
    lane: Lane, fast_lane: Lane, busy: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    work, job = SharedWork(kept_bytes=100), Gate()
    job.may_end.set()
    slow = work.ask("key", job, lane)
    fast: Future[bytes] = work.ask("key", job, fast_lane)
    assert fast.result(SOON) == slow.result(SOON) == b"done"
    busy.may_end.set()
    is_free(lane)
    assert job.runs == 1
    assert caplog.records == [], "Python logs a future that is run twice"


def test_a_full_lane_refuses_shared_work_and_forgets_it(lane: Lane, busy: Gate) -> None:
    work, job = SharedWork(kept_bytes=100), Gate()
    for key in ("a", "b"):
        work.ask(key, job, lane)
    with pytest.raises(QueueFull):
        work.ask("c", job, lane)
    job.may_end.set()
    busy.may_end.set()
    work.ask("a", job, lane).result(SOON)
    is_free(lane)
    assert work.ask("c", job, lane).result(SOON) == b"done"


def test_a_closed_lane_finishes_what_is_under_way_and_drops_the_rest(
    lane: Lane, busy: Gate
) -> None:
    waiting = lane.submit(lambda: b"")
    closing = threading.Thread(target=lane.close)
    closing.start()
    busy.may_end.set()
    closing.join(SOON)
    assert waiting.cancelled()


def test_items_come_in_order_with_some_worked_on_ahead() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.01 * (item % 2))
        return -item

    items = iter(range(100))
    working = in_order(work, items, workers=2, name="test")
    found = [(item, result.result()) for item, result in islice(working, 10)]
    assert found == [(item, -item) for item in range(10)]
    working.close()
    assert max(begun) < next(items) == 10 + 2 * AHEAD
