"""How far a plan is: what is done, what failed, who is at work, how long it takes and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from premask.labels.shard_counts import count_shard
from premask.plans.plan import Plan
from premask.plans.presence import Worker, workers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStatus:
    """Counts of images and shards, and the processes that are at work.

    `done` images have labels, or failed; those in shards that are under way count as well.
    `device_seconds` is how long all processes that ever were at work have been, in which they
    labeled so many images (`worked`), some of them twice if a disk was lost.
    """

    planned: int
    done: int
    failed: int
    failures: Counter[str]
    examples: dict[str, str]
    shards: int
    shards_done: int
    running: Sequence[Worker]
    device_seconds: float
    worked: int

    @property
    def left(self) -> int:
        """Images that are neither labeled nor failed."""
        return self.planned - self.done

    @property
    def rate(self) -> float | None:
        """Images a second of all that are at work, since each of them began; None if nobody is."""
        rates = [worker.images / worker.seconds for worker in self.running if worker.seconds > 0]
        return sum(rates) or None

    @property
    def eta_seconds(self) -> float | None:
        """What is left, if they go on like this."""
        return self.left / self.rate if self.rate is not None else None

    @property
    def seconds_each(self) -> float | None:
        """How long one device was at one image, with all that was around it."""
        return self.device_seconds / self.worked if self.worked else None

    def cost(self, price: float) -> float:
        """What was spent, at this price for one device and hour."""
        return self.device_seconds / 3600 * price

    def cost_of_rest(self, price: float) -> float | None:
        """What is yet to be spent, if an image costs what it did so far."""
        each = self.seconds_each
        return None if each is None else self.left * each / 3600 * price

    def to_json(self, price: float | None) -> dict[str, Any]:
        """All of it, for programs."""
        told: dict[str, Any] = {
            "planned": self.planned,
            "done": self.done,
            "failed": self.failed,
            "left": self.left,
            "failures": dict(self.failures),
            "shards": self.shards,
            "shards_done": self.shards_done,
            "running": [asdict(worker) for worker in self.running],
            "images_per_second": self.rate,
            "eta_seconds": self.eta_seconds,
            "device_seconds": round(self.device_seconds, 1),
        }
        if price is not None:
            told |= {"cost": self.cost(price), "cost_of_rest": self.cost_of_rest(price)}
        return told


@dataclass(slots=True)
class _Totals:
    done: int = 0
    shards_done: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def plan_status(plan: Plan) -> PlanStatus:
    """Look at the files of a plan; nobody who is at work is asked."""
    totals, done = _Totals(), set[int]()
    for index in plan.shards:
        if plan.is_done(index):
            counts = count_shard(plan.labels_path(index), with_labels=False)
            done.add(index)
            totals.done += counts.images
            totals.failures += counts.failures
            totals.examples = counts.examples | totals.examples
    workers = list(workers_of(plan.folder))
    running = [worker for worker in workers if worker.shard is not None and worker.is_here]
    # Of two at one shard only one is let in, and the other one counts nothing.
    under_way = {worker.shard: worker.shard_done for worker in running if worker.shard not in done}
    return PlanStatus(
        planned=plan.image_count,
        done=totals.done + sum(under_way.values()),
        failed=totals.failures.total(),
        failures=totals.failures,
        examples=totals.examples,
        shards=len(plan.shards),
        shards_done=len(done),
        running=running,
        device_seconds=sum(worker.seconds for worker in workers),
        worked=sum(worker.images for worker in workers),
    )
