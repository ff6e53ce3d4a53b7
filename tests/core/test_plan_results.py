"""What comes of a plan: merged and counted, and how far it is, in words, numbers and on a page."""

from __future__ import annotations

import json
import os
import socket
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from pycocotools.coco import COCO

from premask.cli import annotate_plan, main
from premask.errors import Cancelled, InvalidPlan, InvalidSetting
from premask.labels.shard_row import ShardRow
from premask.labels.shard_table import read_shard, write_shard
from premask.plans import presence
from premask.plans.devices import DevicesOutcome
from premask.plans.job import PlanJob
from premask.plans.merging import merge_plan
from premask.plans.plan import Plan, make_plan
from premask.plans.presence import PAUSE, Presence, workers_of
from premask.plans.shard_run import label_shards
from premask.plans.status import plan_status
from premask.recipes.recipe import recipe_of
from premask.runs.progress import Progress
from tests.core.counting_model import WRONG, FakeMatter, FakePool, photo

JOB = PlanJob(recipe=recipe_of("subject"))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Ten photos in three shards, not labeled yet; the model fails on the one called 013."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for value in range(5, 15):
        PIL.Image.fromarray(photo(value)).save(folder / f"{value:03}.png")
    return make_plan([str(folder)], JOB, tmp_path / "plan", 4)


def label_all(plan: Plan, shards: list[int] | None = None) -> None:
    list(label_shards(plan, shards or plan.todo(), FakePool(FakeMatter())))


@pytest.fixture
def done(plan: Plan) -> Plan:
    label_all(plan)
    return plan


def test_a_merge_has_what_was_planned_in_its_order(done: Plan, tmp_path: Path) -> None:
    out = tmp_path / "coco.json"
    assert main(["merge", str(done.folder), "--to", "coco", "--out", str(out)]) == 0
    names = [image["file_name"] for image in json.loads(out.read_text())["images"]]
    assert names == [f"{value:03}.png" for value in range(5, 15) if value != WRONG]
    merged = merge_plan(done, "coco", out)
    assert (merged.planned, merged.labeled, dict(merged.failures)) == (10, 9, {"ModelFailed": 1})
    assert merged.annotations == 9
    assert merged.missing == []


def test_ids_go_on_from_one_shard_to_the_next(done: Plan, tmp_path: Path) -> None:
    merged = merge_plan(done, "coco-shards", tmp_path / "shards")
    files = [COCO(path) for path in merged.written]
    assert [path.name for path in merged.written] == [f"shard-0000{k}.json" for k in range(3)]
    for kind in ("imgs", "anns"):
        ids = [number for file in files for number in getattr(file, kind)]
        assert ids == list(range(1, 10))
    assert len({str(file.cats) for file in files}) == 1


def test_one_parquet_file_has_a_row_for_each_image(done: Plan, tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    merge_plan(done, "parquet", out)
    rows = [row for index in done.shards for row in read_shard(done.labels_path(index))]
    assert list(read_shard(out)) == rows


@pytest.mark.parametrize("format", ["yolo", "labelme", "png-masks", "voc"])
def test_other_formats_take_a_plan(done: Plan, tmp_path: Path, format: str) -> None:
    merge_plan(done, format, tmp_path / format)
    assert any((tmp_path / format).rglob("*005*"))
    with pytest.raises(InvalidSetting, match="pixels"):
        merge_plan(done, "cutout", tmp_path / "cutout")


def test_a_partial_merge_says_so(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label_all(plan, [0, 2])
    out = tmp_path / "coco.json"
    assert main(["merge", str(plan.folder), "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert "PARTIAL: 4 images in shards that are not done are missing: 1." in told
    assert len(json.loads(out.read_text())["images"]) == 5


def test_a_shard_that_lacks_a_row_is_told_before_anything_is_written(
    done: Plan, tmp_path: Path
) -> None:
    path = done.labels_path(1)
    write_shard(path, list(read_shard(path))[1:], done.shard_fingerprint(1))
    with pytest.raises(InvalidPlan, match="3 rows for the 4 images of shard 1"):
        merge_plan(done, "coco", tmp_path / "coco.json")
    assert not (tmp_path / "coco.json").exists()


def test_the_status_counts_what_is_done_and_who_is_at_work(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    label_all(plan, [2])
    worker = Presence(folder=plan.folder, device="cuda:1", _began=time.monotonic() - 60)
    with worker.at(0):
        worker._written -= PAUSE
        worker.note(Progress(done=3, failed=0, total=4, seconds=60.0, reused=1))
        status = plan_status(plan)
        assert main(["status", str(plan.folder), "--price", "2.50", "--json"]) == 0
    assert (status.planned, status.done, status.failed, status.shards_done) == (10, 5, 1, 1)
    (at_work,) = [worker for worker in status.running if worker.shard == 0]
    assert (at_work.device, at_work.pid, at_work.images) == ("cuda:1", os.getpid(), 2)
    assert status.rate is not None
    assert status.rate > 2 / 61
    assert status.cost(3600.0) == pytest.approx(status.device_seconds)
    told = json.loads(capsys.readouterr().out)
    assert told["left"] == 5
    assert told["cost"] == pytest.approx(60 / 3600 * 2.5, rel=0.1)


def die_at(plan: Plan, shard: int) -> None:
    """Be there, and never leave it in an orderly way."""
    visit = Presence(folder=plan.folder, device="cpu").at(shard)
    visit.__enter__()
    KEPT.append(visit)


KEPT: list[object] = []
"""What nobody holds ends in an orderly way."""


def test_who_is_gone_is_not_at_work(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    die_at(plan, 0)
    assert plan_status(plan).running
    monkeypatch.setattr(socket, "gethostname", lambda: "another-machine")
    assert plan_status(plan).running
    now = time.time()
    for jump in (-7200.0, 7200.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
        assert not plan_status(plan).running
    (plan.folder / "workers" / "half.json").write_text('{"host": "a')
    assert len(list(workers_of(plan.folder))) == 1


class Text(HTMLParser):
    """The words of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_says_what_the_command_says(
    done: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "status.html"
    command = ["status", str(done.folder), "--price", "2.50", "--page", str(page)]
    assert main(command) == 0
    told = capsys.readouterr().out
    for text in ("10 of 10 images (3 of 3 shards), 1 failed", "ModelFailed", "--retry-failed"):
        assert text in told
    words = " ".join(Text(page).words)
    for text in ("of 10 images done", "ModelFailed", "yet to be spent 0.00", "--retry-failed"):
        assert text in words


def test_a_shard_at_which_processes_died_goes_to_one_that_may_die(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What starts `--shard K` again and again gets beyond an image that ends the process."""
    with pytest.raises(Cancelled), Presence(folder=plan.folder, device="cpu").at(0):
        raise Cancelled("in an orderly way")
    given = list[object]()

    def labeled(plan: Plan, devices: list[str], **options: Any) -> DevicesOutcome:
        given.append((devices, options["shards"]))
        return DevicesOutcome(images=4, failed=0, reused=0, seconds=1.0, deaths=0)

    monkeypatch.setattr(annotate_plan, "label_on_devices", labeled)
    monkeypatch.setattr(annotate_plan, "label_shards", lambda *_, **__: iter(()))
    monkeypatch.setattr(presence, "_is_alive", lambda pid: False)
    command = ["annotate", "--plan", str(plan.folder), "--shard", "0", "--device", "cpu"]
    for _ in range(2):
        die_at(plan, 0)
        assert main(command) == 0
    assert given == []
    die_at(plan, 0)
    assert main(command) == 0
    assert given == [(["cpu"], [0])]


def test_tasks_for_label_studio_have_the_addresses_of_storages(done: Plan, tmp_path: Path) -> None:
    path = done.labels_path(0)
    uris = ["s3://bucket/a b.png", "https://example.com/b.png", "tar://c.png::s3://bucket/x.tar"]
    rows = list(read_shard(path))
    stored = [
        ShardRow(record={**row.record, "uri": uri})
        for row, uri in zip(rows, [*uris, rows[3].uri], strict=True)
    ]
    write_shard(path, stored, done.shard_fingerprint(0))
    merge_plan(done, "label-studio", tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    local = "/data/local-files/?d="
    assert [task["data"]["image"] for task in tasks[:4]] == [
        *uris[:2],
        f"{local}007.png",
        f"{local}008.png",
    ]
