"""Clips of a plan are rows, too: one a clip, followed in a folder of its own, and read as clips."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import premask
from premask.annotations import LabeledClip
from premask.cli import main
from premask.errors import Cancelled, InvalidMask
from premask.models.pool import ModelPool
from premask.plans.job import PlanJob
from premask.plans.plan import make_plan
from premask.plans.shard_work import label_shard
from premask.prompts import Hint, Prompts
from premask.recipes.recipe import recipe_of

JOB = PlanJob(
    recipe=recipe_of("follow"),
    prompts=Prompts(objects=(Hint(label="square", box_xyxy=(8, 8, 40, 40), track=1),)),
)


def write_clip(path: Path, frames: int = 6) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for index in range(frames):
        picture = np.full((64, 96, 3), 40, np.uint8)
        picture[8:40, 8 + 4 * index : 40 + 4 * index] = (30, 200, 240)
        writer.write(picture)
    writer.release()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.avi", "b.avi"):
        write_clip(folder / name)
    (folder / "broken.mp4").write_bytes(b"no clip")
    return folder


def found(clip: LabeledClip) -> list[object]:
    return [(one.image.name, one.frame, one.time, one.annotations) for one in clip.frames]


def test_clips_are_rows(clips: Path, tmp_path: Path) -> None:
    plan = make_plan([str(clips)], JOB, tmp_path / "plan")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        label_shard(plan, 0, ModelPool(), cancel=cancel)
    outcome = label_shard(plan, 0, ModelPool())
    assert outcome.won
    assert (outcome.images, outcome.failed) == (3, 1)
    first, second = premask.read_clips(plan.folder)
    assert (first.name, first.size_hw, first.fps) == ("a.avi", (64, 96), 10.0)
    frames = list(premask.track(clips / "a.avi", "follow", prompts=JOB.prompts, pool=ModelPool()))
    assert found(first) == [
        (one.image.name, one.frame, one.time, one.annotations) for one in frames
    ]
    assert len(list(second.frames)) == 6
    with pytest.raises(InvalidMask, match="premask convert"):
        list(premask.read(plan.folder))
    out = tmp_path / "ytvis.json"
    assert main(["convert", str(plan.folder), "--to", "ytvis", "--out", str(out)]) == 0
    assert [clip.name for clip in premask.read_clips(out)] == ["a.avi", "b.avi"]
