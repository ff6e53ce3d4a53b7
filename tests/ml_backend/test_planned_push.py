"""push --plan: what a plan has found goes to the tasks that show its images, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from ml_backend.commands import push
from premask.annotations import Annotation, Labeled
from premask.errors import UnreadableImage
from premask.images import Image
from premask.labels.label_studio import annotations_from_regions as read
from premask.labels.shard_row import Location, ShardRow
from premask.labels.shard_table import write_shard
from premask.masks import Mask
from premask.plans.job import PlanJob
from premask.plans.plan import Plan, make_plan
from premask.recipes.recipe import recipe_of
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import LocalServer

pytestmark = pytest.mark.usefixtures("own_home")

SIZE = (6, 8)


def mask_of(number: int) -> Mask:
    pixels = np.zeros(SIZE, np.bool_)
    pixels[: number + 1, 2:5] = True
    return Mask.from_array(pixels)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Four images in a bucket, of which the third one failed; the last shard is not done."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        PIL.Image.new("RGB", SIZE[::-1]).save(photos / f"{number}.png")
    job = PlanJob(recipe=recipe_of("faces"))
    plan = make_plan([str(photos)], job, tmp_path / "plan", 2)
    for shard in (0, 1):
        rows = []
        for number, image in enumerate(plan.images(shard), start=2 * shard):
            mask, name = mask_of(number), f"day/{number}.png"
            found = Annotation(label="face", box_xyxy=mask.box_xyxy, mask=mask)
            error = UnreadableImage(name, "it is no image") if number == 2 else None
            shown = Image(name=name, size_hw=SIZE)
            labeled = Labeled(image=shown, annotations=(found,), error=error)
            uri = f"s3://bucket/photos/{name}"
            where = Location(image_id=image.id, uri=uri, version=image.version)
            rows.append(ShardRow.of(labeled, where))
        write_shard(plan.labels_path(shard), rows, plan.shard_fingerprint(shard))
    return plan


@pytest.fixture
def fake() -> FakeLabelStudio:
    made = FakeLabelStudio()
    for url in (
        "s3://bucket/photos/day/0.png",
        "/data/local-files/?d=mirror/day/1.png",
        "s3://bucket/photos/day/2.png",
        "s3://bucket/photos/day/4.png",
    ):
        made.add_task({"image": url})
    return made


def test_tasks_get_what_the_plan_found(
    plan: Plan, fake: FakeLabelStudio, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    push.add_arguments(parser)
    options = parser.parse_args(["--project", "1", "--plan", str(plan.folder)])
    assert push.run(options, settings_for(server.url, recipe="faces")) == 1
    told = capsys.readouterr().out
    assert told.count("failed: task") == 2
    assert "it is no image" in told
    assert "it is in no shard" in told
    found = [
        [region.mask for prediction in task["predictions"] for region in read(prediction["result"])]
        for task in fake.tasks.values()
    ]
    assert found == [[mask_of(0)], [mask_of(1)], [], []]
    # Once more, and nobody gets a second one.
    assert push.run(options, settings_for(server.url, recipe="faces")) == 1
    assert "0 predictions written" in capsys.readouterr().out
