"""Clips of a shard: each is followed in a folder of its own, where it goes on after a kill."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from premask.annotations import LabeledClip
from premask.errors import Cancelled, PremaskError
from premask.images import Image
from premask.models.pool import ModelPool
from premask.plans.job import PlanJob
from premask.prompts import Prompts
from premask.runs.clips.clip_job import labeled_clip
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.clip_work import ClipWork
from premask.runs.pipeline import explained
from premask.sources.fetching import ImageFetcher
from premask.sources.naming import suffix_of
from premask.sources.source_image import SourceImage
from premask.video.frames import Span, open_video


class PlannedClips:
    """Follows objects through clips, one after the other, below the work folder of their shard."""

    def __init__(self, job: PlanJob, folder: Path, fetcher: ImageFetcher, pool: ModelPool) -> None:
        self._job, self._folder, self._fetcher, self._pool = job, folder, fetcher, pool

    def follow(self, clip: SourceImage, cancel: threading.Event) -> PremaskError | None:
        """Follow what is asked for through all frames; what went wrong with this clip."""
        try:
            _, work = self._work(clip)
            with closing(work.run()) as steps:
                for step in steps:
                    if cancel.is_set():
                        raise Cancelled(f"Stopped in '{clip.name}' after {step.done} frames.")
            return work.error
        except Cancelled:
            raise
        except Exception as error:
            what = f"The recipe '{self._job.recipe.name}'"
            return explained(error, Image.unread(clip.name), what)

    def labeled(self, clip: SourceImage) -> LabeledClip:
        """What was found in a clip that was followed."""
        return labeled_clip(*self._work(clip))

    def _work(self, clip: SourceImage) -> tuple[ClipTask, ClipWork]:
        folder = self._folder / "clips" / clip.id
        path = self._fetcher.file_of(clip, folder / f"clip{suffix_of(clip.name)}")
        asked = self._job.prompts
        nothing = asked == Prompts(mask_label=asked.mask_label)
        task = ClipTask(
            video=open_video(path, clip.name),
            recipe=self._job.recipe,
            prompts={} if nothing else {0: asked},
            span=Span(fps=self._job.fps),
        )
        return task, ClipWork(task, self._pool, folder)
