"""Plans: the same from the same source, grown without doing anything twice; shards that resume."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL.Image
import pytest

from premask.errors import Cancelled, InvalidPlan, MissingDependency, SourceChanged
from premask.labels.shard_row import ShardRow
from premask.labels.shard_table import read_shard
from premask.masks import Mask
from premask.plans.job import PlanJob, job_from_json, job_to_json
from premask.plans.plan import Plan, make_plan
from premask.plans.shard_work import label_shard
from premask.prompts import BoxPrompt, Exemplar, Hint, Phrase, Point, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.journal import Journal
from premask.runs.progress import Progress
from tests.core.counting_model import WRONG, FakeMatter, FakePool, photo

JOB = PlanJob(recipe=recipe_of("subject"))


def make_photos(folder: Path, values: range) -> Path:
    folder.mkdir(exist_ok=True)
    for value in values:
        PIL.Image.fromarray(photo(value)).save(folder / f"{value:03}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten photos, of which the model fails on the one called 013."""
    return make_photos(tmp_path / "photos", range(5, 15))


@pytest.fixture
def plan(photos: Path, tmp_path: Path) -> Plan:
    return make_plan([str(photos)], JOB, tmp_path / "plan", 4)


def rows_of(plan: Plan) -> Iterator[ShardRow]:
    for index in plan.shards:
        yield from read_shard(plan.labels_path(index))


def label_all(plan: Plan, model: FakeMatter | None = None) -> FakeMatter:
    model = model or FakeMatter()
    for index in plan.todo():
        label_shard(plan, index, FakePool(model))
    return model


def test_every_image_is_planned_once_and_labeled_once(plan: Plan) -> None:
    planned = [image.name for index in plan.shards for image in plan.images(index)]
    assert planned == [f"{value:03}.png" for value in range(5, 15)]
    model = label_all(plan)
    rows = list(rows_of(plan))
    assert [row.labeled.image.name for row in rows] == planned
    assert [row.labeled.image.name for row in rows if row.error] == [f"{WRONG:03}.png"]
    assert rows[WRONG - 5].record["error_kind"] == "ModelFailed"
    assert plan.todo() == []
    assert not (plan.work_folder(0)).exists()
    # The two of the batch that fails are looked at a second time, each alone.
    assert sum(model.batches) == 10 + 2


def test_the_same_source_gives_the_same_plan(photos: Path, tmp_path: Path, plan: Plan) -> None:
    again = make_plan([str(photos)], JOB, tmp_path / "again", 4)
    files = ("plan.json", "recipe.toml", *(f"manifests/shard-0000{k}.parquet" for k in range(3)))
    for name in files:
        assert (again.folder / name).read_bytes() == (plan.folder / name).read_bytes()
    assert Plan.open(plan.folder) == plan


def test_a_plan_grows_with_its_source(photos: Path, plan: Plan) -> None:
    label_all(plan)
    make_photos(photos, range(100, 103))
    grown = make_plan([str(photos)], JOB, plan.folder, 4)
    assert [grown.planned(index) for index in grown.shards] == [4, 4, 2, 3]
    assert grown.todo() == [3]
    model = label_all(grown)
    assert sum(model.batches) == 3
    assert make_plan([str(photos)], JOB, plan.folder, 4) == grown


def test_an_image_that_changed_is_told_and_then_planned_anew(photos: Path, plan: Plan) -> None:
    PIL.Image.fromarray(photo(3)).save(photos / "006.png")
    os.utime(photos / "006.png", ns=(1, 1))
    label_all(plan)
    failed = [row for row in rows_of(plan) if row.error]
    assert [row.record["error_kind"] for row in failed] == [SourceChanged.__name__, "ModelFailed"]
    assert "premask plan" in str(failed[0].error)
    grown = make_plan([str(photos)], JOB, plan.folder, 4)
    assert grown.todo() == [0]
    model = label_all(grown)
    assert model.batches == [1]
    assert [row.labeled.image.name for row in rows_of(grown) if row.error] == ["013.png"]


def test_what_a_stopped_process_did_is_kept(plan: Plan) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        label_shard(plan, 0, FakePool(FakeMatter()), cancel=cancel)
    assert plan.todo() == [0, 1, 2]
    with (plan.work_folder(0) / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"key":"torn')
    model = FakeMatter()
    outcome = label_shard(plan, 0, FakePool(model))
    assert outcome.won
    assert outcome.reused == 1
    assert sum(model.batches) == 3


def test_two_workers_on_one_shard_are_harmless(plan: Plan) -> None:
    with Journal(plan.work_folder(0) / "journal.jsonl"):
        outcome = label_shard(plan, 0, FakePool(FakeMatter()))
    assert outcome.busy
    assert not outcome.won
    assert label_shard(plan, 0, FakePool(FakeMatter())).won
    before = plan.labels_path(0).stat()
    second = label_shard(plan, 0, FakePool(FakeMatter()))
    assert not second.won
    assert not second.busy
    assert plan.labels_path(0).stat() == before


def test_on_a_disk_without_locks_one_of_two_workers_wins(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr("premask.runs.journal.fcntl.flock", no_locks)
    with ThreadPoolExecutor(2) as workers:
        pools = [FakePool(FakeMatter(0.02)) for _ in range(2)]
        outcomes = list(workers.map(lambda pool: label_shard(plan, 0, pool), pools))
    assert sorted(outcome.won for outcome in outcomes) == [False, True]
    found = [row.labeled for row in read_shard(plan.labels_path(0))]
    assert [one.image.name for one in found] == [image.name for image in plan.images(0)]
    areas = [found.mask.area for one in found for found in one.annotations if found.mask]
    assert areas == [8 * (value % 8 + 1) for value in range(5, 9)]


def test_a_missing_package_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"premask\[parquet\]"):
        make_plan([str(photos)], JOB, photos.parent / "plan")


def test_only_what_failed_is_done_again(plan: Plan) -> None:
    label_all(plan)
    before = [row.record for row in rows_of(plan)]
    model = FakeMatter()
    outcomes = [label_shard(plan, k, FakePool(model), retry_failed=True) for k in plan.shards]
    assert sum(model.batches) == 1
    assert [(outcome.won, outcome.failed) for outcome in outcomes] == [
        (False, 0),
        (False, 0),
        (True, 1),
    ]
    assert [row.record for row in rows_of(plan)] == before


def test_a_part_of_a_shard_can_be_labeled_and_some_be_given_up(plan: Plan) -> None:
    images = list(plan.images(0))
    some = {image.id for image in images[:2]}
    assert not label_shard(plan, 0, FakePool(FakeMatter()), only=some).won
    model = FakeMatter()
    poison = {images[3].id: "it ends the process each time"}
    outcome = label_shard(plan, 0, FakePool(model), given_up=poison)
    assert outcome.won
    assert outcome.failed == 1
    assert sum(model.batches) == 1
    assert list(read_shard(plan.labels_path(0)))[3].error == "it ends the process each time"


def test_planning_tells_how_far_it_is_and_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"/none/{number}.png\n" for number in range(2500)))
    seen: list[Progress] = []
    make_plan([f"@{tmp_path}/list.txt"], JOB, tmp_path / "a", on_progress=seen.append)
    assert [progress.done for progress in seen] == [1000, 2000]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled, match="1,000 images"):
        make_plan([f"@{tmp_path}/list.txt"], JOB, tmp_path / "b", cancel=cancel)
    assert not list((tmp_path / "b").glob("**/*.*"))


def test_nothing_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# nothing yet\n")
    with pytest.raises(InvalidPlan, match="no image"):
        make_plan([f"@{tmp_path}/list.txt"], JOB, tmp_path / "plan")
    with pytest.raises(InvalidPlan, match="premask plan SOURCE"):
        Plan.open(tmp_path / "plan")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "recipe": 3}'])
def test_a_damaged_plan_is_told(plan: Plan, text: str) -> None:
    (plan.folder / "plan.json").write_text(text)
    with pytest.raises(InvalidPlan, match="no plan that can be read"):
        Plan.open(plan.folder)


def test_a_plan_that_was_killed_while_it_grew_is_mended(photos: Path, plan: Plan) -> None:
    label_all(plan)
    PIL.Image.fromarray(photo(3)).save(photos / "006.png")
    before = (plan.folder / "plan.json").read_bytes()
    grown = make_plan([str(photos)], JOB, plan.folder, 4)
    # The manifests were written, and plan.json was not.
    (plan.folder / "plan.json").write_bytes(before)
    with pytest.raises(InvalidPlan, match="same `premask plan` again"):
        list(Plan.open(plan.folder).images(0))
    assert make_plan([str(photos)], JOB, plan.folder, 4) == grown


def test_other_settings_are_another_plan(photos: Path, plan: Plan) -> None:
    other = PlanJob(recipe=JOB.recipe.with_settings({"refine.grow": 3}))
    with pytest.raises(InvalidPlan, match="--replace"):
        make_plan([str(photos)], other, plan.folder, 4)
    label_all(plan)
    replaced = make_plan([str(photos)], other, plan.folder, 6, replace=True)
    assert replaced.todo() == [0, 1]
    # What a larger plan has found is not read along with it.
    assert len(list((plan.folder / "labels").iterdir())) == 2


def test_other_code_may_not_go_on(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("premask.plans.job.code_version", lambda **_: "newer")
    with pytest.raises(InvalidPlan, match="another version of premask"):
        label_shard(plan, 0, FakePool(FakeMatter()))


def test_what_was_asked_for_survives_the_file() -> None:
    point = Point(x=1.5, y=2, positive=False, label="cat")
    mask = Mask.from_array([[0, 1], [1, 1]])
    prompts = Prompts(
        phrases=(Phrase(text="a cat", label="cat"),),
        points=(point,),
        boxes=(BoxPrompt(box_xyxy=(0, 0, 2, 2), label="dog"),),
        mask=mask,
        mask_label="cup",
        exemplars=(Exemplar(box_xyxy=(1, 1, 2, 2), positive=False),),
        objects=(Hint(label="cat", points=(point,), mask=mask, track=3, source=("me",)),),
    )
    job = PlanJob(
        recipe=JOB.recipe, prompts=prompts, window=(0.0, 4095.0), allowed_hosts=("localhost",)
    )
    assert job_from_json(job_to_json(job), JOB.recipe) == job
