"""Boxes that people drew on videos in Label Studio, as an export tells them -> clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from sys import maxsize
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.images import Image
from premask.json_stream import JsonStream
from premask.labels.clip_frames import Frames
from premask.labels.glimpse import Glimpse
from premask.labels.label_studio.keyframes import Keyframe, drawn_at, keyframes_of
from premask.labels.label_studio.shapes import Json, rectangle_box
from premask.labels.label_studio.task_records import (
    is_label_studio,
    last_regions,
    name_of_address,
)
from premask.labels.label_studio.video_regions import DEFAULT_RATE, Timeline
from premask.video.decoders import ASSUMED_FPS
from premask.video.frames import Span, Video

BOXES = "videorectangle"

FindVideo = Callable[[str], Video]
"""Opens the video of this name."""


def are_exported_clips(glimpse: Glimpse) -> bool:
    """Whether a file is an export in which the first task with regions has moving boxes."""
    if not is_label_studio(glimpse):
        return False
    try:
        with glimpse.path.open("rb") as file:
            first = next((regions for _, regions in _tasks(file) if regions), ())
            return any(region.get("type") == BOXES for region in first)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def read_exported_clips(path: Path, find: FindVideo) -> Iterator[LabeledClip]:
    """The video of each task that somebody looked at, with a box in each frame that shows it.

    Boxes are percent of a video, and an export does not tell its size and its times: so each
    is opened. There are no masks; those behind premask's own boxes are pulled from Label Studio.
    """
    try:
        with path.open("rb") as file:
            for data, regions in _tasks(file):
                if regions is not None:
                    boxes = [region for region in regions if region.get("type") == BOXES]
                    yield _clip(find(name_of_address(_address(data))), boxes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidMask(
            f"'{path}' can't be read as videos of Label Studio: {type(error).__name__}: {error}. "
            "It must be JSON, as Label Studio exports it."
        ) from error


def _tasks(file: BinaryIO) -> Iterator[tuple[Mapping[str, Any], Sequence[Json] | None]]:
    """The data of each task, and what counts of it."""
    for task, _ in JsonStream(file).list_items():
        if not isinstance(task, dict):
            raise TypeError(f"a task is no object: {str(task)[:40]}")
        yield task["data"], last_regions(task)


def _clip(video: Video, regions: Sequence[Json]) -> LabeledClip:
    tracks = [
        (str(next(iter(region["value"].get("labels") or ()), "")), keyframes_of(region["value"]))
        for region in regions
    ]
    return LabeledClip(
        name=video.name,
        size_hw=video.size_hw,
        frames=Frames(partial(_frames, video, tracks, _rate(regions))),
        fps=video.fps,
    )


def _frames(
    video: Video, tracks: Sequence[tuple[str, Sequence[Keyframe]]], rate: float
) -> Iterator[Labeled]:
    stamps = video.stamps(Span(), maxsize)
    end = stamps[-1][1] + 1 / (video.fps or ASSUMED_FPS) if stamps else 0.0
    timeline = Timeline(rate=rate, duration=end)
    ends = [*(time for _, time in stamps[1:]), end]
    for (frame, time), until in zip(stamps, ends, strict=True):
        position = timeline.position(time, until)
        boxes = [
            (number, label, drawn_at(keyframes, position), keyframes)
            for number, (label, keyframes) in enumerate(tracks, start=1)
        ]
        yield Labeled(
            image=Image(name=video.frame_name(frame), size_hw=video.size_hw),
            annotations=tuple(
                Annotation(
                    label=label,
                    box_xyxy=rectangle_box(drawn, video.size_hw),
                    track=number,
                    keyframe=any(one.frame == position for one in keyframes),
                )
                for number, label, drawn, keyframes in boxes
                if drawn is not None
            ),
            frame=frame,
            time=time,
        )


def _rate(regions: Sequence[Json]) -> float:
    """How many frames a second the editor counted: an export does not hold the tag's frameRate.

    A keyframe has both its frame and its time, of which a late one tells the rate best.
    """
    told = [
        (keyframe["time"], keyframe["frame"] / keyframe["time"])
        for region in regions
        for keyframe in region["value"].get("sequence", ())
        if keyframe.get("time")
    ]
    return max(told)[1] if told else DEFAULT_RATE


def _address(data: Mapping[str, Any]) -> str:
    """The video of a task, which most projects call `video`, or else what has a file's suffix."""
    named = [data["video"]] if "video" in data else data.values()
    for value in named:
        parts = urlsplit(value) if isinstance(value, str) else ()
        if any(PurePosixPath(part).suffix for part in parts):
            return str(value)
    raise KeyError("video")
