"""Videos in Label Studio's exports: the boxes that people drew, in each frame, by their video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import premask
from premask.cli import main
from premask.errors import InvalidMask, UnreadableVideo
from premask.labels.coco import read_coco
from tests.clips import write_clip

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 10, 10

Json = dict[str, Any]


def keyframe(frame: int, x: float, *, rate: float = FPS, **fields: Any) -> Json:
    """As the editor writes one: counted from 1, with its time."""
    box = {"x": x, "y": 25, "width": 25, "height": 50, "rotation": 0, "enabled": True}
    return {"frame": frame, "time": frame / rate, **box, **fields}


def exported(*keyframes: Json, video: str = "/data/upload/3/0a1b2c3d-cup.mp4") -> list[Json]:
    """A task as Label Studio 1.23 exports it, with a box and a span of time; one not looked at."""
    value = {"framesCount": FRAMES, "duration": 1.0, "sequence": list(keyframes), "labels": ["cup"]}
    box = {"id": "b", "from_name": "box", "to_name": "video", "type": "videorectangle"}
    span = {"id": "s", "from_name": "when", "to_name": "video", "type": "timelinelabels"}
    ranges = {"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["cup"]}
    result = [{**box, "value": value}, {**span, "value": ranges}]
    annotation = {"id": 5, "completed_by": 1, "result": result, "was_cancelled": False}
    return [
        {"id": 1, "data": {"video": video}, "annotations": [annotation], "predictions": []},
        {"id": 2, "data": {"video": "other.mp4"}, "annotations": [], "predictions": []},
    ]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    gray = [np.full((HEIGHT, WIDTH, 3), 20 * place, np.uint8) for place in range(FRAMES)]
    write_clip(folder / "cup.mp4", gray, fps=FPS)
    return folder


def written(tmp_path: Path, tasks: list[Json]) -> Path:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    return path


@pytest.mark.parametrize("rate", [FPS, FPS / 2])
def test_a_box_is_where_the_editor_shows_it(tmp_path: Path, videos: Path, rate: float) -> None:
    """Also where the tag's frameRate is another one than the video's."""
    last = round(9 * rate / FPS) + 1
    drawn = [keyframe(1, 0, rate=rate), keyframe(last, 75, rate=rate, enabled=False)]
    path, coco = written(tmp_path, exported(*drawn)), tmp_path / "coco.json"
    assert not main(
        ["convert", str(path), "--to", "coco", "--out", str(coco), f"--images={videos}"]
    )
    frames = read_coco(coco)
    assert frames[1].image.name == "cup.mp4/000001.png"
    found = [one for labeled in frames for one in labeled.annotations]
    assert {(one.label, one.track) for one in found} == {("cup", 1)}
    assert found[0].box_xyxy == (0, 12, 16, 36)
    starts = [one.box_xyxy[0] for one in found]
    assert starts == sorted(starts)
    assert starts[-1] == pytest.approx(48, abs=6)


def test_a_turned_box_is_the_upright_one_around_it(tmp_path: Path, videos: Path) -> None:
    path = written(tmp_path, exported(keyframe(1, 50, rotation=90)))
    (clip,) = premask.read_clips(path, videos=videos)
    boxes = {one.box_xyxy for labeled in clip.frames for one in labeled.annotations}
    assert boxes == {(8, 12, 32, 28)}


@pytest.mark.parametrize("name", ["gone.mp4", "../videos/cup.mp4.exe", "s3://bucket/gone.mp4"])
def test_a_video_that_is_not_there_is_named(tmp_path: Path, videos: Path, name: str) -> None:
    path = written(tmp_path, exported(keyframe(1, 0), video=name))
    with pytest.raises(UnreadableVideo, match="--images DIR says where it is"):
        premask.read_clips(path, videos=videos)


def test_where_images_are_wanted_videos_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidMask, match=r"labels of clips.*--to coco"):
        premask.read(written(tmp_path, exported(keyframe(1, 0))))


@pytest.mark.parametrize("sequence", [None, [{"frame": -1}], [{"frame": 1, "x": "left"}]])
def test_broken_keyframes_are_refused(tmp_path: Path, videos: Path, sequence: object) -> None:
    tasks = exported()
    tasks[0]["annotations"][0]["result"][0]["value"]["sequence"] = sequence
    with pytest.raises(InvalidMask):
        premask.read_clips(written(tmp_path, tasks), videos=videos)
