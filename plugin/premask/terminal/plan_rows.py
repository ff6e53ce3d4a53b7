"""What tables tell of a plan: who is at work on it, and what failed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from premask.plans.status import PlanStatus
from premask.terminal.screen import duration

RUNNING = ("shard", "images done in it", "by", "device", "since", "images in all")
FAILED = ("failed", "images", "such as")

Row = tuple[str, ...]


def running_rows(status: PlanStatus) -> Iterator[Row]:
    """A row with the columns of `RUNNING` for each process."""
    now = time.time()
    for worker in status.running:
        # Clocks of machines differ, and then somebody may begin in the future.
        since, who = max(0.0, now - worker.shard_since), f"{worker.host} {worker.pid}"
        done, images = f"{worker.shard_done:,}", f"{worker.images:,}"
        yield str(worker.shard), done, who, worker.device, duration(since), images


def failure_rows(status: PlanStatus) -> Iterator[Row]:
    """A row with the columns of `FAILED` for each kind, the most frequent first."""
    for kind, count in status.failures.most_common():
        yield kind, f"{count:,}", status.examples[kind]
