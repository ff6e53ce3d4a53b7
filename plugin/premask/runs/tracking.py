"""Follow objects through one clip, from Python: a `Labeled` for each frame."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from premask.annotations import Labeled
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, recipe_of
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.clip_work import ClipWork
from premask.video.frames import Span, open_video


def track(
    clip: str | Path,
    recipe: str | Recipe = "follow",
    *,
    settings: Mapping[str, Any] | None = None,
    prompts: Prompts | Mapping[int, Prompts] | None = None,
    span: tuple[float, float] | None = None,
    fps: float = 0.0,
    pool: ModelPool | None = None,
    folder: str | Path | None = None,
) -> Generator[Labeled, None, None]:
    """Follow objects through a video, an animated picture or a folder of frames.

    `prompts` say what to look for, and by the index of a frame (from 0) where objects are; without
    an index they are of the first frame. An object that is known already is corrected in a later
    frame by a `Hint` with its `track`, in `Prompts.objects`. `span` is a range in seconds, and
    `fps` at most how many frames of a second are looked at.

    Frames come in their order, each with its `frame`, its `time`, and annotations that have a
    `track`. What is before the first frame that somebody pointed at is followed first, backwards;
    then frames come as they are done, except where the recipe mattes. With a `folder` what is done
    is kept there, and the next call goes on where this one was stopped. A clip that is broken
    raises `UnreadableVideo` behind its last readable frame.
    """
    recipe = recipe_of(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.with_settings(settings) if settings else recipe
    by_frame = {0: prompts} if isinstance(prompts, Prompts) else dict(prompts or {})
    start, end = span or (0.0, float("inf"))
    task = ClipTask(
        video=open_video(clip),
        recipe=recipe,
        prompts=by_frame,
        span=Span(start=start, end=end, fps=fps),
    )
    task.require_usable()
    return _frames(task, pool or ModelPool(), None if folder is None else Path(folder))


def _frames(task: ClipTask, pool: ModelPool, folder: Path | None) -> Generator[Labeled, None, None]:
    with tempfile.TemporaryDirectory(prefix="premask-") as temporary:
        work = ClipWork(task, pool, folder or Path(temporary))
        with closing(work.stream()) as done:
            yield from (labeled for labeled in done if isinstance(labeled, Labeled))
        if work.error is not None:
            raise work.error
