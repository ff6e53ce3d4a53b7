"""Calls as Label Studio 1.23.2 sends them for videos, and a clip to ask about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from premask.errors import UnreadableImage
from premask.video.frames import Video, open_video
from tests.clips import Rgb, write_clip
from tests.ml_backend.label_studio_calls import predict_call

Json = dict[str, Any]

WIDTH, HEIGHT, FRAMES, FPS = 160, 120, 24, 12
RADIUS = 14

VIDEO_CONFIG = f"""
<View>
  <Video name="video" value="$video" frameRate="{FPS}"/>
  <VideoRectangle name="box" toName="video" smart="true"/>
  <Labels name="labels" toName="video"><Label value="Ball"/><Label value="Car"/></Labels>
</View>
"""


class ClipSource:
    """Videos of a folder in the place of Label Studio's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, int | None]] = []

    def video(self, url: str, *, task_id: int | None = None) -> Video:
        self.asked.append((url, task_id))
        path = self.folder / url.strip("/")
        if not path.is_file():
            raise UnreadableImage(url, "Label Studio has no such file (404)")
        return open_video(path, path.name)


def center(frame: int) -> tuple[float, float]:
    """Where the ball is, in pixels."""
    return 30 + 4 * frame, 60 + 10 * np.sin(frame / 5)


def ball_frames(count: int = FRAMES) -> list[Rgb]:
    """A red ball with a pattern that rolls over a noisy ground."""
    rng = np.random.default_rng(3)
    ground = rng.integers(60, 110, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frames = []
    for frame in range(count):
        x, y = center(frame)
        right, below = columns - x, rows - y
        inside = right**2 + below**2 < RADIUS**2
        pattern = np.stack([220 + 0 * right, 60 + 4 * np.abs(right), 40 + 4 * np.abs(below)], -1)
        rgb = np.where(inside[..., np.newaxis], np.clip(pattern, 0, 255), ground)
        frames.append(np.ascontiguousarray(rgb, np.uint8))
    return frames


def ball_clip(path: Path, count: int = FRAMES) -> Path:
    return write_clip(path, ball_frames(count), fps=FPS)


def ball_box(frame: int, margin: float = 1.0) -> tuple[float, float, float, float]:
    """A box around the ball, in pixels."""
    x, y = center(frame)
    reach = RADIUS + margin
    return x - reach, y - reach, x + reach, y + reach


def keyframe(frame: int, box_xyxy: tuple[float, ...], *, enabled: bool = True) -> Json:
    """A keyframe as the editor sends one that a person drew, counted from 1."""
    x0, y0, x1, y1 = box_xyxy
    return {
        "frame": frame,
        "enabled": enabled,
        "rotation": 0,
        "x": 100 * x0 / WIDTH,
        "y": 100 * y0 / HEIGHT,
        "width": 100 * (x1 - x0) / WIDTH,
        "height": 100 * (y1 - y0) / HEIGHT,
        "time": frame / FPS,
    }


def moving_box(*keyframes: Json, label: str = "Ball", **fields: Any) -> Json:
    """A region of <VideoRectangle> as the editor sends it."""
    return {
        "value": {
            "framesCount": FRAMES,
            "duration": FRAMES / FPS,
            "sequence": list(keyframes),
            "labels": [label],
        },
        "id": "vB1xQ3",
        "from_name": "box",
        "to_name": "video",
        "type": "videorectangle",
        "origin": "manual",
        **fields,
    }


def video_call(*regions: Json, config: str = VIDEO_CONFIG, video: str = "/ball.mp4") -> Json:
    """An interactive call with these regions; without any, a call for the whole task."""
    context = {"result": list(regions)} if regions else None
    return predict_call("", config=config, context=context, data={"video": video})
