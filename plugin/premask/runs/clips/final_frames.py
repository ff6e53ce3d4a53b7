"""What a clip shows in the end: its frames with the refine and matte stages behind the tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import UnreadableVideo
from premask.images import Image, digest_of
from premask.masks import Matte
from premask.models.pool import ModelPool
from premask.recipes.tracking.calm_mattes import matted
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.frame_log import Entry, FrameLog, LoggedFrame
from premask.shaping.refine import Refine, refine


class FinalFrames:
    """Goes through the frames of a clip each time that somebody asks, one at a time."""

    def __init__(self, task: ClipTask, folder: Path) -> None:
        self._task, self._folder = task, folder

    def __iter__(self) -> Iterator[Labeled]:
        video, has_mattes = self._task.video, self._task.recipe.matte is not None
        path = _mattes_path(self._task, self._folder) if has_mattes else _forward_path(self._folder)
        with FrameLog(path, video.size_hw) as log:
            for logged in log:
                yield final_frame(logged, self._task, is_refined=has_mattes)


def final_frame(logged: LoggedFrame, task: ClipTask, *, is_refined: bool = False) -> Labeled:
    """What was found in a frame, as it is written."""
    found = [entry.annotation for entry in logged.entries if entry.annotation]
    size_hw = task.video.size_hw
    return Labeled(
        image=Image(name=task.video.frame_name(logged.frame), size_hw=size_hw),
        annotations=tuple(found) if is_refined else refined(found, task),
        frame=logged.frame,
        time=logged.time,
    )


def refined(annotations: list[Annotation], task: ClipTask) -> tuple[Annotation, ...]:
    """The objects of a frame after the refine stage; what a person drew stays bit by bit."""
    settings = task.recipe.refine
    ordered = sorted(annotations, key=lambda found: found.track or 0)
    if settings == Refine():
        return tuple(ordered)
    result: list[Annotation] = []
    for found in ordered:
        parts = (found,) if found.keyframe else refine((found,), settings)
        result += (
            part if part.mask is None else replace(part, box_xyxy=part.mask.box_xyxy)
            for part in parts
        )
    return tuple(result)


def matte_frames(task: ClipTask, pool: ModelPool, folder: Path) -> Iterator[int]:
    """Matte the frames that are not matted yet; yields how many are."""
    matte = task.recipe.matte
    assert matte is not None
    size_hw = task.video.size_hw
    with (
        FrameLog(_forward_path(folder), size_hw) as forward,
        FrameLog(_mattes_path(task, folder), size_hw) as mattes,
    ):
        done = mattes.frames
        before = {} if not done else _mattes_of(mattes.get(done[-1]))
        rest = forward.frames[len(done) :]
        try:
            for frame in task.video.frames_at(rest):
                logged = forward.get(frame.index)
                found = [entry.annotation for entry in logged.entries if entry.annotation]
                soft = matted(frame.image, refined(found, task), before, matte, pool)
                entries = tuple(
                    Entry(track=found.track or 0, stretch="", annotation=found) for found in soft
                )
                mattes.add(LoggedFrame(frame=frame.index, time=logged.time, entries=entries))
                before = _mattes_of(mattes.get(frame.index))
                yield len(mattes.frames)
        except UnreadableVideo:
            # It was readable a moment ago; whatever happened, what is matted is kept.
            return


def _mattes_of(logged: LoggedFrame) -> dict[int, Matte]:
    return {
        entry.track: entry.annotation.matte
        for entry in logged.entries
        if entry.annotation is not None and entry.annotation.matte is not None
    }


def _forward_path(folder: Path) -> Path:
    return folder / "forward.jsonl"


def _mattes_path(task: ClipTask, folder: Path) -> Path:
    """Other settings of the refine and matte stages make other mattes of the same tracks."""
    return folder / f"mattes-{digest_of(task.recipe.fingerprint.encode())[:12]}.jsonl"
