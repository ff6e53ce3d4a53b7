"""A person draws a box on a video, has it followed, corrects it, and pulls the masks behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import premask
from benchmarks.photos import PHOTOS, copy_photos
from premask.labels.label_studio.keyframes import keyframes_of
from premask.labels.ytvis.reader import read_ytvis
from tests.e2e.label_studio_backend import access_to, pull_into, running_backend
from tests.e2e.label_studio_editor import Editor
from tests.e2e.label_studio_server import EMAIL, PASSWORD, LabelStudio
from tests.e2e.label_studio_videos import (
    FPS,
    FRAMES,
    RADIUS,
    VideoEditor,
    cup_center,
    cup_clip,
    cup_pixels,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

Json = dict[str, Any]

CONFIG = f"""
<View>
  <Video name="video" value="$video" frameRate="{FPS}"/>
  <VideoRectangle name="box" toName="video" smart="true"/>
  <Labels name="labels" toName="video"><Label value="cup" background="#ff00ff"/></Labels>
  <Labels name="again" toName="video" choice="multiple" model_skip="true">
    <Label value="Follow" hotkey="f"/>
  </Labels>
</View>
"""
"""As in the documentation."""

CORRECTED = 13


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    photos = copy_photos(tmp_path / "photos")
    coffee, cat = (photos[PHOTOS.index(name)] for name in ("coffee.png", "chelsea.png"))
    return cup_clip(tmp_path / "cup.mp4", coffee, cat)


def test_a_box_is_followed_corrected_and_pulled(
    label_studio: LabelStudio, page: Page, clip: Path, tmp_path: Path
) -> None:
    environment = access_to(label_studio.url, label_studio.personal_token())
    with running_backend(tmp_path, environment, "--recipe", "click") as backend:
        project = label_studio.new_project(CONFIG)
        (task,) = label_studio.upload(project, [clip])
        label_studio.connect(project, backend)
        editor = Editor(page, label_studio.url)
        editor.log_in(EMAIL, PASSWORD)
        video = VideoEditor(editor)
        video.open(project, task)

        video.draw("cup", *corners(0, margin=2))
        video.select()
        (asked,) = video.follow()
        assert [item["frame"] for item in asked["value"]["sequence"]] == [1]
        page.locator(".lsf-keypoints").first.wait_for()
        editor.look("video-1-followed")
        video.go_to(CORRECTED)
        editor.look("video-2-in-the-middle")

        x, y = cup_center(CORRECTED - 1)
        video.move((x, y), (x + 6, y))
        (corrected,) = video.follow()
        editor.look("video-3-corrected")
        video.go_to(FRAMES - 1)
        editor.look("video-4-at-the-end")
        editor.submit()
        editor.open_status(backend, row="/predict 200")
        editor.look("video-5-status")
    (annotation,) = label_studio.task(task)["annotations"]
    (region,) = annotation["result"]
    assert region["id"] == asked["id"] == corrected["id"]
    fixed = [keyframe for keyframe in keyframes_of(region["value"]) if not keyframe.is_own]
    assert [keyframe.frame for keyframe in fixed] == [1, CORRECTED]
    assert len(region["value"]["sequence"]) < FRAMES

    pull_into(tmp_path / "pulled", project, environment, tmp_path / "images")
    (pulled,) = read_ytvis(tmp_path / "pulled" / "ytvis.json")
    export = tmp_path / "export.json"
    export.write_text(json.dumps(label_studio.export(project)))
    (exported,) = premask.read_clips(export, videos=clip.parent)
    boxes = [labeled.annotations[0].box_xyxy for labeled in exported.frames]
    for frame, labeled in enumerate(pulled.frames):
        (found,) = labeled.annotations
        assert found.label == "cup"
        assert found.mask is not None
        mask, cup = found.mask.to_array(), cup_pixels(frame)
        assert (mask & cup).sum() / (mask | cup).sum() > 0.8, frame
        assert boxes[frame] == pytest.approx(found.box_xyxy, abs=8), frame
    assert frame == FRAMES - 1


def corners(frame: int, margin: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two corners of a box around the cup."""
    x, y = cup_center(frame)
    reach = RADIUS + margin
    return (x - reach, y - reach), (x + reach, y + reach)
