"""A simulated cluster: when a plan is done, and what is paid for nothing, in a world with faults.

Its events: a GPU takes a shard, and ends it or is taken away itself. A seed gives one run.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from premask.plans.device_lane import TRIES
from premask.plans.isolation import find_killers

HOST_MS = {2.07: 22.6, 12.0: 70.7}
"""Milliseconds of a core beside a GPU by megapixels, with 20 masks: `python -m benchmarks steps`
with simplejpeg, on one core of an Intel Xeon, in November 2026."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done, by how many GPUs; `skew` is the sigma of the logarithm of images' sizes.

    An image takes what its network takes, or its host if the cores beside a GPU are slower.
    """

    images: int = 10_000_000
    gpus: int = 64
    gpu_ms: float = 30.0
    cores_a_gpu: float = 2.0
    megapixels: float = 2.07
    skew: float = 0.0
    shard_size: int = 512
    batch_size: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, by default nothing. Times are in seconds, shares are of all images.

    A GPU is taken away `every` so often on average. Another one is there after `away`, of which
    nothing is paid, and needs `start` for its process and model. A journal that is not kept with
    the plan is lost with the machine. Images that are `unreadable` never reach a network; those
    that are `poison` make it fail, and `killers` end the process.
    """

    every: float = math.inf
    away: float = 0.0
    start: float = 0.0
    keeps_journal: bool = True
    unreadable: float = 0.0
    poison: float = 0.0
    killers: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hours until the end, and of all GPUs together; `ideal` is without faults and waiting."""

    finish: float
    ideal: float
    paid: float
    useful: float
    labeled: int
    failed: int
    taken_away: int

    @property
    def waste(self) -> float:
        """The share of what is paid that leads to no labels."""
        return max(0.0, 1 - self.useful / self.paid)

    @property
    def late(self) -> float:
        """How much longer it takes than the ideal, as a share of that."""
        return self.finish / self.ideal - 1


@dataclass(slots=True)
class _Shard:
    seconds: float
    left: float


@dataclass(slots=True)
class _Queue:
    """Shards that nobody has begun, and those that came back at a time."""

    fresh: deque[_Shard]
    back: list[tuple[float, int, _Shard]] = field(default_factory=list)

    def take(self, now: float) -> _Shard | None:
        if self.back and self.back[0][0] <= now:
            return heapq.heappop(self.back)[2]
        return self.fresh.popleft() if self.fresh else None

    def give_back(self, shard: _Shard, now: float) -> None:
        heapq.heappush(self.back, (now, id(shard), shard))


def simulate(work: Work, faults: Faults, seed: int = 0) -> Outcome:
    """Run a plan to its end."""
    random = np.random.default_rng(seed)
    useful, needed, failed = _shards(work, faults, random)
    queue = _Queue(fresh=deque(_Shard(seconds=all_of, left=all_of) for all_of in needed.tolist()))
    at_once = work.batch_size * useful.sum() / work.images
    gpus = [(faults.start, gpu) for gpu in range(work.gpus)]
    ends = [faults.start + random.exponential(faults.every) for _ in gpus]
    paid, finish, taken_away = faults.start * work.gpus, 0.0, 0
    while gpus:
        now, gpu = heapq.heappop(gpus)
        shard = queue.take(now)
        if shard is None:  # whoever has a shard that may come back takes that up again
            continue
        end = now + shard.left
        if end <= ends[gpu]:
            paid, finish = paid + shard.left, max(finish, end)
            heapq.heappush(gpus, (end, gpu))
            continue
        worked, taken_away = ends[gpu] - now, taken_away + 1
        # What is in the network when a machine goes is in no journal.
        kept = max(0.0, worked - at_once) if faults.keeps_journal else 0.0
        shard.left = shard.left - kept if faults.keeps_journal else shard.seconds
        queue.give_back(shard, ends[gpu])
        ready = ends[gpu] + faults.away + faults.start
        paid += worked + faults.start
        ends[gpu] = ready + random.exponential(faults.every)
        heapq.heappush(gpus, (ready, gpu))
    return Outcome(
        finish=finish / 3600,
        ideal=float(useful.sum()) / work.gpus / 3600,
        paid=paid / 3600,
        useful=float(useful.sum()) / 3600,
        labeled=work.images - failed,
        failed=failed,
        taken_away=taken_away,
    )


def _shards(
    work: Work, faults: Faults, random: np.random.Generator
) -> tuple[NDArray[np.floating], NDArray[np.floating], int]:
    """The useful seconds of each shard, those that it needs, and how many images fail."""
    firsts = np.arange(0, work.images, work.shard_size)
    images = np.minimum(work.shard_size, work.images - firsts)
    unreadable, poison, killers = (
        random.binomial(images, share)
        for share in (faults.unreadable, faults.poison, faults.killers)
    )
    failed = np.minimum(images, unreadable + poison + killers)
    each = _seconds_of_shards(work, images, random) / images
    useful = each * (images - failed)
    again = each * poison * again_for_poison(work.batch_size)
    deaths = killers * (deaths_for_killer(work.shard_size) * faults.start)
    return useful, useful + again + deaths, int(failed.sum())


def _seconds_of_shards(
    work: Work, images: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.floating]:
    def total_ms(count: int) -> float:
        sizes = work.megapixels * np.exp(work.skew * random.standard_normal(count))
        return float(np.maximum(work.gpu_ms, host_ms(sizes) / work.cores_a_gpu).sum())

    if not work.skew:
        return np.asarray(images * (total_ms(1) / 1000))
    return np.array([total_ms(count) for count in images.tolist()]) / 1000


def host_ms(megapixels: NDArray[np.floating] | float) -> NDArray[np.floating]:
    """Milliseconds of one core for images of this size, in a line through those measured."""
    (small, least), (large, most) = HOST_MS.items()
    slope = (most - least) / (large - small)
    return np.maximum(least / 4, least + slope * (np.asarray(megapixels) - small))


def again_for_poison(batch_size: int) -> int:
    """How many images go through a network for nothing to find the one at which it fails.

    >>> again_for_poison(1), again_for_poison(2)
    (1, 3)
    """
    if batch_size == 1:
        return 1
    return batch_size + again_for_poison(batch_size // 2)


def deaths_for_killer(shard_size: int) -> int:
    """How many processes an image ends until it is known, by the very search of `premask`."""
    deaths = 1 + TRIES  # once on the way, and as often in vain before anybody looks for it

    def survives(places: range) -> bool:
        nonlocal deaths
        deaths += 0 in places
        return 0 not in places

    find_killers(range(shard_size), survives, tries=TRIES)
    return deaths
