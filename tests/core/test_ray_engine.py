"""A Ray cluster of this machine labels a plan: stopped, killed, and the same as one process."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from benchmarks.soak.drivers import FAULTS, environment, orphans, processes
from premask.cli import main
from premask.errors import Cancelled, ClusterFailed, InvalidSetting, MissingDependency
from premask.labels.shard_table import read_shard
from premask.plans import device_lane
from premask.plans.devices import label_on_devices
from premask.plans.job import PlanJob
from premask.plans.merging import merge_plan
from premask.plans.plan import Plan, make_plan
from premask.plans.presence import workers_of
from premask.plans.ray_engine import label_on_ray
from premask.plans.ray_places import RayPlaces
from premask.plans.ray_worker import LabelShards
from premask.plans.worker_process import WorkerOptions
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.progress import Progress
from tests.core.counting_model import photo

JOB = PlanJob(
    recipe=recipe_of("click"),
    prompts=Prompts(boxes=(BoxPrompt(box_xyxy=(1, 1, 7, 7), label="thing"),)),
    batch_size=1,
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(12):
        PIL.Image.fromarray(photo(100 + number)).save(photos / f"{number:02}.png")
    return make_plan([str(photos)], JOB, tmp_path / "plan", 6)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two processors of which Ray knows, and the slow network of the soak in all its workers."""
    for name, value in environment(seconds=1.0).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_stopped_and_killed_workers_give_the_labels_of_one_process(
    plan: Plan, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, killed, titles = threading.Event(), list[int](), set[str]()

    def has_begun() -> bool:
        journals = plan.folder.glob("work/*/journal.jsonl")
        return any(journal.read_bytes().count(b"\n") > 0 for journal in journals)

    def stop(progress: Progress) -> None:
        if has_begun():
            cancel.set()

    with pytest.raises(Cancelled):
        label_on_ray(plan, workers=2, cores=1, on_progress=stop, cancel=cancel)
    assert not list(plan.folder.glob("workers/*.run"))
    assert len(plan.todo()) == 2

    def kill_one(progress: Progress) -> None:
        here = [worker for worker in workers_of(plan.folder) if worker.shard is not None]
        parents = [processes().get(worker.pid) for worker in here]
        for parent in filter(None, () if killed or not has_begun() else parents):
            titles.add(Path(f"/proc/{parent}/cmdline").read_text().strip("\0"))
            killed.append(parent)
            os.kill(parent, signal.SIGKILL)

    outcome = label_on_ray(plan, workers=2, cores=1, on_progress=kill_one)
    assert (outcome.images, outcome.failed) == (12, 0)
    assert outcome.reused > 0
    # So Ray's dashboard calls them, too.
    assert all(title.startswith("ray::MapWorker(Map(LabelShards))") for title in titles)
    assert killed
    # Who is left notices that its parent is gone, and ends.
    ends = time.monotonic() + 30
    while orphans(plan.folder) and time.monotonic() < ends:
        time.sleep(0.1)
    assert orphans(plan.folder) == []

    alone = make_plan([str(tmp_path / "photos")], JOB, tmp_path / "alone", 6)
    monkeypatch.syspath_prepend(str(FAULTS))
    monkeypatch.setenv("PREMASK_TEST_FAULTS", environment()["PREMASK_TEST_FAULTS"])
    label_on_devices(alone, ["cpu"])
    for one in (plan, alone):
        merge_plan(one, "coco", one.folder.with_suffix(".json"))
    assert (tmp_path / "plan.json").read_bytes() == (tmp_path / "alone.json").read_bytes()


def worker_of(plan: Plan) -> LabelShards:
    run_file = plan.folder / "workers" / "some.run"
    return LabelShards(run_file, plan.folder, WorkerOptions(device="cpu"), cores=1)


def test_an_image_that_ends_processes_does_not_end_the_one_that_ray_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAULTS))
    monkeypatch.setattr(device_lane, "TRIES", 2)
    faults = environment(deadly=True)["PREMASK_TEST_FAULTS"]
    monkeypatch.setenv("PREMASK_TEST_FAULTS", faults)
    monkeypatch.setenv("PREMASK_CORES", "2")
    for name in ("0-photo", "1-poison"):
        PIL.Image.fromarray(photo(100)).save(tmp_path / f"{name}.png")
    plan = make_plan([str(tmp_path)], JOB, tmp_path / "plan", 4)
    (plan.folder / "workers").mkdir()
    (plan.folder / "workers" / "some.run").touch()
    worker = worker_of(plan)
    row = worker({"shard": 0})
    (plan.folder / "workers" / "some.run").unlink()
    unwanted = worker({"shard": 0})
    worker.close()
    assert (row["finished"], unwanted["finished"], unwanted["error"]) == (True, False, "")
    assert (row["images"], row["failed"], row["error"]) == (2, 1, "")
    assert row["deaths"] >= 4
    assert "SIGKILL" in row["notes"]
    assert [row.error is None for row in read_shard(plan.labels_path(0))] == [True, False]


def test_a_worker_that_does_not_see_the_plan_says_so(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREMASK_CORES", "2")
    row = worker_of(plan)({"shard": 0})
    assert "has to be on a disk that all machines of the cluster share" in row["error"]
    assert row["images"] == 0


def test_what_is_in_the_way_of_a_cluster_is_told(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterFailed, match=r"can't be reached .*refused"):
            label_on_ray(plan, address=nobody)
    with pytest.raises(InvalidSetting, match="ray job submit"):
        label_on_ray(plan, address="ray://head:10001")
    with pytest.raises(InvalidSetting, match="not cuda:1, but cuda"):
        label_on_ray(plan, options=WorkerOptions(device="cuda:1"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"pip install 'premask\[ray\]'"):
        label_on_ray(plan)


def test_places_leave_no_gpu_idle() -> None:
    def places(*machines: dict[str, float], device: str = "auto", cores: int | None = None) -> Any:
        found = RayPlaces.on(machines, device, cores)
        return found.cores, found.gpus, found.now

    head, worker = {"CPU": 2.0, "node:x": 1.0}, {"CPU": 16.0, "GPU": 8.0}
    assert places(head, worker, worker) == (2, 1, 16)
    assert places(head, worker, cores=4) == (4, 1, 4)
    assert places(head, worker, device="cpu") == (2, 0, 9)
    assert places({"CPU": 64.0}) == (4, 0, 16)
    assert places(head, device="cuda") == (4, 1, 0)
    assert places({"CPU": 1.0, "GPU": 2.0}) == (1, 1, 1)


def test_parts_of_a_plan_are_all_of_it_once(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["annotate", "--plan", str(plan.folder)]
    assert main([*command, "--shard", "1", "--of", "2"]) == 0
    assert plan.todo() == [0]
    assert main([*command, "--shard", "0", "--of", "2"]) == 0
    assert plan.todo() == []
    assert main([*command, "--shard", "2", "--of", "2"]) == 2
    assert "--shard with a number below it" in capsys.readouterr().err
