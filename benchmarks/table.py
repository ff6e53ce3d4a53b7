"""Ratios that are measured side by side, and the table in which they are printed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: how many times as good as the other, and what would be good enough."""

    what: str
    ratio: float
    goal: float | None = None
    note: str = ""


def ratio_of(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> float:
    """Their time / our time, so more than 1 means that we are faster.

    Both run in turns, and the median of the pairs counts: a busy machine slows both of a pair.
    """
    return statistics.median(_seconds(theirs)[0] / _seconds(ours)[0] for _ in range(repeats))


def ratios_of(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[float, float]:
    """The same, and the ratio of the processor's seconds, which others on the machine blur less."""
    pairs = [(_seconds(theirs), _seconds(ours)) for _ in range(repeats)]
    wall, processor = (
        statistics.median(their[clock] / our[clock] for their, our in pairs) for clock in (0, 1)
    )
    return wall, processor


def things_a_second(work: Callable[[], int], seconds: float) -> float:
    """How many are done in a second, after a first turn that is not counted."""
    work()
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < seconds:
        done += work()
    return done / (time.perf_counter() - start)


def in_a_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """The same work where label() does it: OpenMP waits there without taking the other's core."""

    def in_its_own() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(work).result()

    return in_its_own


def print_table(rows: Iterable[Row]) -> None:
    """Print each row as soon as it is measured."""
    print(f"{'ratio':>8}  {'goal':>6}  {'':4}  what")
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:.2f}"
        met = "" if row.goal is None else ("ok" if row.ratio >= row.goal else "MISS")
        note = f"  ({row.note})" if row.note else ""
        print(f"{row.ratio:8.2f}  {goal:>6}  {met:4}  {row.what}{note}", flush=True)


def _seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """By the clock, and of the processor in all threads."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy
