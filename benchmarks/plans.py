"""Plans and shards against `annotate` on a folder, and two processes against one."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from benchmarks.annotate import into_new_folders, make_images
from benchmarks.table import Row, ratio_of
from premask.cores import CORES, usable_cores
from premask.models.pool import ModelPool
from premask.plans.devices import label_on_devices
from premask.plans.job import PlanJob
from premask.plans.plan import Plan, make_plan
from premask.plans.shard_run import label_shards
from premask.recipes.recipe import recipe_of

IMAGES, SHARD_SIZE = 48, 8
REPEATS = 3


def rows() -> Iterator[Row]:
    """What planning costs, and what a second process brings on a second core."""
    with tempfile.TemporaryDirectory() as name:
        paths = make_images(Path(name) / "large", IMAGES, side=1400)
        plans = _plans(paths[0].parent, Path(name))
        yield against_a_folder(paths, plans, Path(name))
        yield two_processes(plans)


def against_a_folder(paths: Sequence[Path], plans: Iterator[Plan], folder: Path) -> Row:
    pool = ModelPool()
    pool.load("u2netp")
    annotate = into_new_folders(paths, folder, pool)

    def by_plan() -> None:
        plan = next(plans)
        assert sum(outcome.images for outcome in label_shards(plan, plan.todo(), pool)) == IMAGES

    return Row(
        what="plan, and label its shards / annotate a folder into COCO",
        ratio=ratio_of(by_plan, annotate, REPEATS),
        goal=0.95,
        note=f"{IMAGES} photos of 1400 px, shards of {SHARD_SIZE}",
    )


def two_processes(plans: Iterator[Plan]) -> Row:
    def on(*devices: str) -> Callable[[], None]:
        def label() -> None:
            # One core a process, or one process would have them all.
            with patch.dict(os.environ, {CORES: str(len(devices))}):
                assert label_on_devices(next(plans), devices).images == IMAGES

        return label

    return Row(
        what="two processes with a core each / one process with one core",
        ratio=ratio_of(on("cpu", "cpu"), on("cpu"), REPEATS),
        goal=1.8,
        note=f"the same photos; starting them counts; on {usable_cores()} cores",
    )


def _plans(photos: Path, folder: Path) -> Iterator[Plan]:
    """Always another plan of the same photos."""
    job = PlanJob(recipe=recipe_of("subject"))
    for turn in itertools.count():
        yield make_plan([str(photos)], job, folder / f"plan-{turn}", SHARD_SIZE)
