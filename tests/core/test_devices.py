"""One process a device, for real: killed, poisoned and interrupted, and the labels are the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import PIL.Image
import pytest

from benchmarks.soak.drivers import FAULTS, Drivers, environment, orphans
from premask.cores import CORES, usable_cores
from premask.errors import PremaskError
from premask.labels.shard_table import read_shard
from premask.plans import device_lane, shard_board
from premask.plans.device_lane import DeviceLane, DeviceLost
from premask.plans.devices import label_on_devices
from premask.plans.isolation import find_killers
from premask.plans.job import PlanJob
from premask.plans.merging import merge_plan
from premask.plans.plan import Plan, make_plan
from premask.plans.presence import workers_of
from premask.plans.shard_board import ShardBoard
from premask.plans.worker_process import Message, WorkerDied, WorkerProcess
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.progress import Progress
from tests.core.counting_model import photo

JOB = PlanJob(
    recipe=recipe_of("click"),
    prompts=Prompts(boxes=(BoxPrompt(box_xyxy=(1, 1, 7, 7), label="thing"),)),
    batch_size=2,
)


def plan_of(photos: Path, folder: Path) -> Plan:
    if not photos.is_dir():
        photos.mkdir()
        for number in range(8):
            name = "poison" if number == 5 else "photo"
            PIL.Image.fromarray(photo(100 + number)).save(photos / f"{number}-{name}.png")
    return make_plan([str(photos)], JOB, folder, 2)


def await_true(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_and_poisoned_processes_give_the_labels_of_one_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAULTS))
    monkeypatch.setattr(device_lane, "TRIES", 2)
    faults = environment(seconds=0.2)["PREMASK_TEST_FAULTS"]
    monkeypatch.setenv("PREMASK_TEST_FAULTS", faults)
    calm = plan_of(tmp_path / "photos", tmp_path / "calm")
    outcome = label_on_devices(calm, ["cpu"])
    assert (outcome.images, outcome.failed, outcome.deaths) == (8, 1, 0)

    deadly = environment(seconds=0.2, deadly=True, jumps=True)["PREMASK_TEST_FAULTS"]
    monkeypatch.setenv("PREMASK_TEST_FAULTS", deadly)
    storm = plan_of(tmp_path / "photos", tmp_path / "storm")
    killed, notes, seen = list[int](), list[str](), list[int]()

    def kill_one(progress: Progress) -> None:
        seen.append(progress.done)
        workers = [worker.pid for worker in workers_of(storm.folder) if worker.shard == 0]
        if workers and not killed:
            killed.append(workers[0])
            os.kill(killed[0], signal.SIGKILL)

    outcome = label_on_devices(storm, ["cpu", "cpu"], on_progress=kill_one, on_note=notes.append)
    # One was killed; poison ended two by surprise, and two that looked at it alone.
    assert (outcome.images, outcome.failed, outcome.deaths) == (8, 1, 5)
    assert max(seen) == 8
    assert any("SIGKILL" in note for note in notes)
    (reason,) = [row.error for row in read_shard(storm.labels_path(2)) if row.error]
    assert "2 processes that looked at this image died" in str(reason)
    for plan in (calm, storm):
        merged = merge_plan(plan, "coco", plan.folder.with_suffix(".json"))
        assert (merged.planned, merged.labeled, merged.failed) == (8, 7, 1)
    assert (tmp_path / "calm.json").read_bytes() == (tmp_path / "storm.json").read_bytes()
    assert orphans(tmp_path) == []


def test_no_process_outlives_an_interrupted_or_killed_command(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "photos", tmp_path / "plan")
    drivers = Drivers(plan.folder, environment(seconds=2.0), tmp_path / "log.txt")
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        driver = drivers.start()
        try:
            await_true(lambda: any(worker.is_here for worker in workers_of(plan.folder)))
            # As a terminal does: everybody in the group hears Ctrl-C.
            os.killpg(driver.pid, number) if number == signal.SIGINT else driver.kill()
            assert driver.wait(30) == status
        finally:
            driver.kill()
        await_true(lambda: not orphans(plan.folder))
    assert "Stopped after" in (tmp_path / "log.txt").read_text()


class FakeProcess(WorkerProcess):
    """Dies, replies, or complains, as it is told."""

    def __init__(self, start: Message | None, replies: list[Message] | None = None) -> None:
        self._start, self._replies = start, replies or []

    def replies(self) -> Iterator[Message]:
        if self._start is None:
            raise WorkerDied("bad luck")
        yield self._start

    def ask(self, order: Message) -> Iterator[Message]:
        yield from self._replies

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


def lane_of(board: ShardBoard, process: WorkerProcess) -> DeviceLane:
    return DeviceLane(device="cpu", board=board, start=lambda: process, list_images=lambda _: [])


def test_what_holds_for_all_images_ends_all() -> None:
    board = ShardBoard(todo=[0, 1], images=4, kept=0)
    full = {"kind": "error", "error": "the disk is full", "cancelled": False}
    lane_of(board, FakeProcess({"kind": "ready"}, [full])).run()
    assert board.stopped
    assert board.take() is None
    assert isinstance(board.error, PremaskError)
    assert str(board.error) == "the disk is full"


def test_a_device_on_which_nothing_starts_leaves_its_shard_to_the_others() -> None:
    board = ShardBoard(todo=[0, 1], images=4, kept=0)
    lane_of(board, FakeProcess(None)).run()
    assert not board.stopped
    assert isinstance(board.error, DeviceLost)
    assert "3 processes died while they started, the last one so: bad luck" in str(board.error)
    outcome = {"index": 0, "images": 2}
    lane_of(board, FakeProcess({"kind": "ready"}, [{"kind": "done", "outcome": outcome}])).run()
    assert board.error is None


class Crowded(FakeProcess):
    """Another driver is at the shard every other time; image 3 kills."""

    def __init__(self) -> None:
        super().__init__({"kind": "ready"})

    def ask(self, order: Message) -> Iterator[Message]:
        asked.append(order)
        busy = len(asked) % 2 == 0
        given_up = order.get("given_up", {})
        if not busy and "3" not in given_up and "3" in order.get("only", "0123"):
            raise WorkerDied("bad luck")
        yield {"kind": "done", "outcome": {"index": 0, "images": 4, "busy": busy}}


asked: list[Message] = []


def test_a_killer_is_found_though_another_driver_is_at_its_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shard_board, "BUSY_PAUSE", 0.01)
    board = ShardBoard(todo=[0], images=4, kept=0)
    DeviceLane(device="cpu", board=board, start=Crowded, list_images=lambda _: list("0123")).run()
    assert board.error is None
    assert board.progress().done == 4
    assert list(asked[-1]["given_up"]) == ["3"]


def test_two_that_kill_are_told_apart_from_their_neighbors() -> None:
    labeled, alone = set[int](), list[int]()

    def survives(places: range) -> bool:
        alone.extend(places if len(places) == 1 else ())
        if killers & set(places):
            return False
        labeled.update(places)
        return True

    killers = {3, 10}
    assert find_killers(range(13), survives, tries=3) == [3, 10]
    assert labeled == set(range(13)) - killers
    assert [alone.count(killer) for killer in (3, 10)] == [3, 3]


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CORES, raising=False)
    own = usable_cores()
    assert own >= 1
    monkeypatch.setenv(CORES, "1")
    assert usable_cores() == 1
    monkeypatch.setenv(CORES, "100000")
    assert usable_cores() == own
