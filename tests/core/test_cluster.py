"""The simulated cluster keeps its books: ideal without faults, and worse with more of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cluster import Faults, Work, again_for_poison, deaths_for_killer, simulate
from benchmarks.cluster_needs import NETWORKS, needs, needs_table

WORK = Work(images=512 * 400, gpus=8, gpu_ms=30)
SPOT = Faults(every=600, away=60, start=20)


def test_without_faults_it_is_ideal() -> None:
    end = simulate(WORK, Faults())
    assert end.finish == pytest.approx(end.ideal) == pytest.approx(WORK.images * 0.03 / 8 / 3600)
    assert end.waste == pytest.approx(0)
    assert (end.labeled, end.failed, end.taken_away) == (WORK.images, 0, 0)


def test_a_seed_gives_one_run() -> None:
    faults, work = replace(SPOT, unreadable=0.01, killers=1e-5), replace(WORK, skew=0.8)
    assert simulate(work, faults, seed=3) == simulate(work, faults, seed=3)
    assert simulate(work, faults, seed=3) != simulate(work, faults, seed=4)


@pytest.mark.parametrize(
    "worse",
    [
        replace(SPOT, every=150),
        replace(SPOT, start=60),
        replace(SPOT, keeps_journal=False),
        replace(SPOT, poison=0.01),
        replace(SPOT, killers=1e-4),
    ],
    ids=str,
)
def test_more_faults_are_more_waste(worse: Faults) -> None:
    def waste(faults: Faults) -> float:
        return sum(simulate(WORK, faults, seed).waste for seed in range(10)) / 10

    assert waste(Faults()) < waste(SPOT) < waste(worse)


def test_what_can_not_be_read_costs_nothing() -> None:
    end = simulate(WORK, Faults(unreadable=0.01))
    assert end.waste == pytest.approx(0)
    assert end.failed == pytest.approx(WORK.images * 0.01, rel=0.1)
    assert end.labeled + end.failed == WORK.images


def test_large_shards_lose_more_without_their_journals() -> None:
    lost = replace(SPOT, keeps_journal=False)
    small, large = (simulate(replace(WORK, shard_size=size), lost).waste for size in (128, 4096))
    assert small < large


def test_too_few_cores_hold_a_gpu_up() -> None:
    enough, few = (simulate(replace(WORK, cores_a_gpu=cores), Faults()) for cores in (1, 0.25))
    assert enough.finish == pytest.approx(WORK.images * 0.03 / 8 / 3600)
    assert few.finish > 2 * enough.finish


def test_searches_cost_what_the_code_does() -> None:
    # Sixteen, then the half with it: 8 + 4 + 2, and the image itself.
    assert again_for_poison(16) == 16 + 8 + 4 + 2 + 1
    assert deaths_for_killer(512) == deaths_for_killer(256) + 1


def test_twice_the_gpus_take_half_the_time_for_the_same_money() -> None:
    for network in NETWORKS:
        one, eight = needs(network, 1), needs(network, 8)
        assert eight.days == pytest.approx(one.days / 8)
        assert eight.dollars == pytest.approx(one.dollars, rel=0.1)
        assert eight.megabits_in == pytest.approx(8 * one.megabits_in)
    assert len(needs_table().splitlines()) == 2 + 3 * len(NETWORKS)
