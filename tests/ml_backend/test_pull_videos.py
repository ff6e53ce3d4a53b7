"""pull: the exact masks behind the boxes that people kept, as YouTube-VIS."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_backend.commands import pull
from premask.annotations import LabeledClip
from premask.labels.ytvis.reader import read_ytvis
from tests.ml_backend.conftest import Connect
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.label_studio_calls import results
from tests.ml_backend.label_studio_videos import (
    FPS,
    FRAMES,
    HEIGHT,
    VIDEO_CONFIG,
    WIDTH,
    ball_box,
    ball_clip,
    center,
    keyframe,
    moving_box,
    video_call,
)
from tests.ml_backend.local_server import LocalServer

if TYPE_CHECKING:
    from starlette.testclient import TestClient

Json = dict[str, Any]


@pytest.fixture(scope="module")
def clip_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return ball_clip(tmp_path_factory.mktemp("clip") / "ball.mp4").read_bytes()


@pytest.fixture
def fake(clip_bytes: bytes) -> FakeLabelStudio:
    """A project with one video."""
    fake = FakeLabelStudio(config=VIDEO_CONFIG)
    path = "/data/upload/1/30eb015d-ball.mp4"
    fake.files[path] = clip_bytes
    fake.add_task({"video": path})
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


@pytest.fixture
def client(connect: Connect, server: LocalServer, folder: str) -> TestClient:
    """A backend that fetches from the fake Label Studio."""
    own = settings_for(server.url)
    return connect(
        recipe="click",
        label_studio_url=own.label_studio_url,
        label_studio_api_key=own.label_studio_api_key,
        cache_folder=folder,
    )


@pytest.fixture
def ball(client: TestClient, fake: FakeLabelStudio) -> Json:
    """The region of a ball that was followed."""
    call = video_call(moving_box(keyframe(1, ball_box(0))))
    call["tasks"][0]["data"] = fake.tasks[1]["data"]
    (item,) = results(client, call)
    (region,) = item["result"]
    return dict(region)


class Puller:
    """Runs the command, and reads what it wrote."""

    def __init__(
        self, server: LocalServer, out: Path, folder: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.server, self.out, self.folder, self.capsys = server, out, folder, capsys
        self.said = ""

    def __call__(self, *flags: str, code: int = 0) -> LabeledClip:
        parser = argparse.ArgumentParser()
        pull.add_arguments(parser)
        options = parser.parse_args(["--project", "1", "--out", str(self.out), *flags])
        assert pull.run(options, settings_for(self.server.url, self.folder)) == code
        self.said = self.capsys.readouterr().out
        (clip,) = read_ytvis(self.out / "ytvis.json")
        return clip


@pytest.fixture
def pulled(
    server: LocalServer, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> Puller:
    return Puller(server, tmp_path / "out", folder, capsys)


def ball_overlap(clip: LabeledClip) -> list[float]:
    """The IoU of the mask in each frame with the ball; 0 where there is none."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    overlaps = []
    for place, labeled in enumerate(clip.frames):
        x, y = center(place)
        disk = (columns - x) ** 2 + (rows - y) ** 2 < 14**2
        masks = [found.mask.to_array() for found in labeled.annotations if found.mask is not None]
        mask = masks[0] if masks else np.zeros_like(disk)
        overlaps.append(float((mask & disk).sum() / (mask | disk).sum()))
    return overlaps


def test_masks_come_out_frame_by_frame(fake: FakeLabelStudio, ball: Json, pulled: Puller) -> None:
    fake.annotate(1, [ball])
    clip = pulled()
    assert (clip.name, clip.size_hw, clip.fps) == ("30eb015d-ball.mp4", (HEIGHT, WIDTH), FPS)
    frames = list(clip.frames)
    assert [labeled.frame for labeled in frames] == list(range(FRAMES))
    assert min(ball_overlap(clip)) > 0.8
    assert {found.track for labeled in frames for found in labeled.annotations} == {1}
    assert {found.label for labeled in frames for found in labeled.annotations} == {"Ball"}
    assert [labeled.frame for labeled in frames if labeled.annotations[0].keyframe] == [0]
    assert "1 tracks in 1 clips" in pulled.said
    assert "passed over" not in pulled.said
    assert not (pulled.out / "coco.json").exists()


def test_only_what_people_kept_comes_out(fake: FakeLabelStudio, ball: Json, pulled: Puller) -> None:
    fake.predict(1, [ball], "premask-follow-1")
    fake.annotate(1, [])
    clip = pulled()
    # Looked at, and nothing there; the video itself tells how long it is.
    frames = list(clip.frames)
    assert len(frames) == FRAMES
    assert not any(labeled.annotations for labeled in frames)
    assert len([one for labeled in pulled("--predictions").frames for one in labeled.annotations])


def test_what_was_moved_afterwards_has_no_mask_and_that_is_said(
    fake: FakeLabelStudio, ball: Json, pulled: Puller
) -> None:
    sequence = [item for item in ball["value"]["sequence"] if item["frame"] <= 12]
    sequence += [keyframe(13, (5, 5, 25, 25)), keyframe(14, (5, 5, 25, 25), enabled=False)]
    fake.annotate(1, [{**ball, "value": {**ball["value"], "sequence": sequence}}])
    frames = list(pulled().frames)
    assert all(labeled.annotations[0].mask for labeled in frames[:11])
    for labeled in frames[12:14]:
        (found,) = labeled.annotations
        assert found.mask is None
        assert found.box_xyxy == pytest.approx((5, 5, 25, 25))
    assert not any(labeled.annotations for labeled in frames[14:])
    assert "boxes without a mask" in pulled.said


def test_boxes_that_nobody_let_follow_come_out_as_boxes(
    fake: FakeLabelStudio, pulled: Puller
) -> None:
    drawn = moving_box(keyframe(1, ball_box(0)), keyframe(3, ball_box(2), enabled=False))
    made_up = {**drawn, "id": "x", "meta": {"premask": {"track": "../../x", "number": 1}}}
    fake.annotate(1, [drawn, made_up])
    frames = list(pulled().frames)
    assert [len(labeled.annotations) for labeled in frames] == [2, 2, 2] + [0] * (FRAMES - 3)
    assert frames[1].annotations[0].box_xyxy == pytest.approx(
        np.mean([ball_box(0), ball_box(2)], axis=0), abs=1e-3
    )
    assert "6 boxes without a mask" in pulled.said


def test_other_formats_of_clips(fake: FakeLabelStudio, ball: Json, pulled: Puller) -> None:
    fake.annotate(1, [ball])
    pulled("--format", "ytvis,davis,coco")
    assert len(json.loads((pulled.out / "coco.json").read_text())["images"]) == FRAMES
    assert len(list((pulled.out / "davis").rglob("*.png"))) >= FRAMES


def test_a_video_that_is_gone_stops_no_other(
    fake: FakeLabelStudio, ball: Json, pulled: Puller
) -> None:
    gone = fake.add_task({"video": "/data/upload/1/gone.mp4"})
    fake.annotate(1, [ball])
    fake.annotate(gone, [])
    assert pulled(code=1).name == "30eb015d-ball.mp4"
    assert "failed: gone.mp4" in pulled.said
