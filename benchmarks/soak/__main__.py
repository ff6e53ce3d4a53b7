"""`make soak`: a plan that is killed, starved and lied to gives the labels of one that is not."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.soak.disks import full, small_disk
from benchmarks.soak.drivers import Drivers, environment, orphans
from benchmarks.soak.flaky_server import serving
from premask.plans.job import PlanJob
from premask.plans.merging import MergedPlan, merge_plan
from premask.plans.plan import Plan, make_plan
from premask.plans.presence import workers_of
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of

IMAGES, KILLS, SHARD_SIZE = 2000, 30, 50
SECONDS = 0.06
"""How long the network takes for an image: so that there is time to be killed in."""

POISON = (0.39, 0.62)
"""Where in the plan there are images that end each process that looks at them."""

PATIENCE = 900.0


def main() -> int:
    """Print what was done, and whether the labels are the same; the status says so, too."""
    images, kills = map(int, sys.argv[1:] or (IMAGES, KILLS))
    random.seed(0)
    with tempfile.TemporaryDirectory(prefix="premask-soak-") as name:
        folder = Path(name)
        photos = make_photos(folder / "photos", images)
        with serving(photos) as (address, troubles), small_disk(folder / "disk", 64) as is_small:
            listed = folder / "list.txt"
            listed.write_text(
                "".join(f"{address}/{path.name}\n" for path in sorted(photos.iterdir()))
            )
            calm = undisturbed(folder, listed)
            plan = plan_of(folder / "disk" / "plan", listed)
            campaign = Campaign(plan, folder, kills, is_small)
            started = time.monotonic()
            campaign.run()
            storm = merge_plan(Plan.open(plan.folder), "coco", folder / "storm.json")
            same = (folder / "storm.json").read_bytes() == (folder / "calm.json").read_bytes()
            report(campaign, calm, storm, troubles, time.monotonic() - started, same)
    return 0 if same and not campaign.left_over else 1


def make_photos(folder: Path, count: int) -> Path:
    """Small images, no two alike."""
    folder.mkdir()
    rng, poison = np.random.default_rng(0), {int(share * count) for share in POISON}
    for number in range(count):
        pixels = rng.integers(0, 90, (24, 32, 3), np.uint8)
        x, y = rng.integers(0, 16, 2)
        pixels[y : y + 8, x : x + 12] += 120
        name = "poison" if number in poison else "photo"
        PIL.Image.fromarray(pixels).save(folder / f"{number:05}-{name}.png")
    return folder


def plan_of(folder: Path, listed: Path) -> Plan:
    box = BoxPrompt(box_xyxy=(4, 4, 28, 20), label="thing")
    job = PlanJob(
        recipe=recipe_of("click"), prompts=Prompts(boxes=(box,)), allowed_hosts=("127.0.0.1",)
    )
    return make_plan([f"@{listed}"], job, folder, SHARD_SIZE)


def undisturbed(folder: Path, listed: Path) -> MergedPlan:
    """One process from the beginning to the end; what is poison elsewhere only fails here."""
    plan = plan_of(folder / "calm", listed)
    calm = Drivers(plan.folder, environment(), folder / "calm.txt", devices="")
    status = calm.start().wait(PATIENCE)
    assert status in (0, 1), (folder / "calm.txt").read_text()
    return merge_plan(plan, "coco", folder / "calm.json")


class Campaign:
    """Does all that it can to the processes that label a plan, until they are done all the same."""

    def __init__(self, plan: Plan, folder: Path, kills: int, is_small: bool) -> None:
        self.plan, self._disk, self._kills, self._is_small = plan, folder / "disk", kills, is_small
        self.log_folder = folder / "images"
        self.log_folder.mkdir()
        faults = environment(seconds=SECONDS, deadly=True, jumps=True, log=str(self.log_folder))
        self.drivers = Drivers(plan.folder, faults, folder / "drivers.txt")
        self.done = Counter[str]()
        self.left_over: list[int] = []

    def run(self) -> None:
        blows = (self._worker, self._driver, self._group, self._second)
        was_full = not self._is_small
        while self._killed() < self._kills and self._some_at_work():
            random.choices(blows, (6, 2, 2, 1))[0]()
            if not was_full and self._killed() >= self._kills // 2:
                was_full = True
                self._fill_the_disk()
        self._finish()
        self.left_over = orphans(self.plan.folder)

    def _killed(self) -> int:
        return sum(count for what, count in self.done.items() if what.startswith("kill"))

    def _some_at_work(self) -> bool:
        """Wait a moment; whether there is something left to disturb."""
        self.drivers.reap()
        if not Plan.open(self.plan.folder).todo():
            return False
        if not self.drivers.alive:
            self.drivers.start()
        # Who only starts has nothing to lose.
        await_true(lambda: self._is_labeling() or self.drivers.all_ended())
        time.sleep(random.uniform(0.0, 4.0))
        self.drivers.reap()
        return bool(self.drivers.alive) or self._some_at_work()

    def _is_labeling(self) -> bool:
        workers = workers_of(self.plan.folder)
        return any(worker.shard is not None and worker.is_here for worker in workers)

    def _worker(self) -> None:
        workers = self.drivers.workers()
        if workers:
            kill(random.choice(workers))
            self.done["kill -9 of a worker"] += 1

    def _driver(self) -> None:
        kill(random.choice(self.drivers.alive).pid)
        self.done["kill -9 of a driver"] += 1
        # Its workers notice by themselves.
        self.drivers.reap()

    def _group(self) -> None:
        driver = random.choice(self.drivers.alive)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        self.done["kill -9 of a driver and all its workers"] += 1

    def _second(self) -> None:
        if len(self.drivers.alive) < 2:
            self.drivers.start()
            self.done["a second driver at once"] += 1

    def _fill_the_disk(self) -> None:
        self._some_at_work()
        with full(self._disk):
            before = len(self.drivers.statuses)
            await_true(self.drivers.all_ended)
            ends = self.drivers.statuses[before:]
            self.done[f"a full disk, on which the drivers ended with {ends}"] += 1

    def _finish(self) -> None:
        """Let them go on in peace."""
        deadline = time.monotonic() + PATIENCE
        while Plan.open(self.plan.folder).todo() and time.monotonic() < deadline:
            self.drivers.reap()
            if not self.drivers.alive:
                self.drivers.start()
            time.sleep(0.5)
        for driver in self.drivers.alive:
            driver.wait(60)
        self.drivers.reap()


def report(
    campaign: Campaign,
    calm: MergedPlan,
    storm: MergedPlan,
    troubles: Counter[str],
    seconds: float,
    same: bool,
) -> None:
    """The numbers, in lines."""
    looks = sum(len(path.read_text().splitlines()) for path in campaign.log_folder.iterdir())
    for what, count in campaign.done.most_common():
        print(f"{count:6} x {what}")
    for what, count in troubles.items():
        print(f"{count:6} x an image from the server {what}")
    print(f"undisturbed: {calm.planned} planned = {calm.labeled} labeled + {calm.failed} failed")
    print(f"disturbed:   {storm.planned} planned = {storm.labeled} labeled + {storm.failed} failed")
    print(f"failures: {dict(storm.failures)}; exit statuses: {campaign.drivers.statuses}")
    print(f"images labeled in all: {looks} ({looks / storm.labeled - 1:.1%} for nothing)")
    print(f"{seconds:.0f} s; processes left over: {campaign.left_over}")
    print("The merged COCO files are " + ("equal, byte by byte." if same else "NOT equal."))


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def await_true(question: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
