"""Track objects: follow them through each clip, and write what its frames show."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

from premask import Labeled, Progress
from premask.errors import InvalidSetting, PremaskError, UnsupportedPrompt
from premask.images import digest_of
from premask.prompts import Prompts
from premask.recipes.work_keys import WorkKeys
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.clip_work import ClipStep, ClipWork
from premask.video.frames import Span, Video

from ..dataset.clips import Clip, DeletedClip
from ..dataset.history import Run, all_runs, note, recorded
from ..dataset.provenance import Look
from ..dataset.tracks import TRACKS, work_folder
from ..dataset.writing import prepare_fields
from .pool import model_pool
from .track_job import TrackJob
from .track_prompts import ClipPrompts, prompts_of, with_phrases
from .track_writing import TrackWriter

_WRITTEN_AT_ONCE = 32
_WRITE_SECONDS = 2.0
"""As often it is told how far it is, and looked whether somebody has cancelled it."""


class TrackWork:
    """One run under way."""

    def __init__(self, job: TrackJob, run: Run, is_cancelled: Callable[[], bool]) -> None:
        self.job, self.run, self._is_cancelled = job, run, is_cancelled
        self.ids: Sequence[str] = ()
        run.thing = "frame"
        self._started = time.monotonic()
        self._frames = 0
        """In the clips that are done."""

    def steps(self) -> Generator[Progress, None, None]:
        """Do the work, and say every few frames how far it got."""
        job, run = self.job, self.run
        _require_alone(job)
        with recorded(job.dataset, run):
            run.new_fields, run.new_attributes = prepare_fields(job.dataset, job.outputs)
            self._writer = TrackWriter(job, run)
            clips = job.clips.clips()
            for number, clip in enumerate(clips):
                yield from self._clip(clip, len(clips) - number)
                note(job.dataset, run)
                if self._is_cancelled():
                    run.state = "cancelled"
                    return

    def _clip(self, clip: Clip, left: int) -> Iterator[Progress]:
        """Go through a clip; one that fails stops no other."""
        done = 0
        try:
            for step in self._steps_in(clip):
                done = step.done
                note(self.job.dataset, self.run)
                yield self._progress(step, left)
        except DeletedClip:
            self.run.deleted += 1
        except PremaskError as error:
            self.run.fail(clip.name, str(error))
        except Exception as error:
            failed = f"The recipe '{self.job.recipe.name}' failed: {type(error).__name__}: {error}."
            self.run.fail(clip.name, f"{failed} The other clips are not affected.")
        self._frames += done

    def _steps_in(self, clip: Clip) -> Iterator[ClipStep]:
        """Follow objects through a clip, and write its frames every few frames or seconds."""
        job, run = self.job, self.run
        video, span = clip.open()
        folder = work_folder(run, job.path) / digest_of(clip.key.encode())
        asked = prompts_of(clip, job, folder, video.size_hw)
        if asked.is_empty and job.needs_pointing:
            run.left_alone += 1
            return
        _require_frames(video, span, asked)
        prompts = with_phrases(asked.prompts, job.phrases)
        task = ClipTask(video=video, recipe=job.recipe, prompts=prompts, span=span)
        work = ClipWork(task, model_pool(), folder)
        look = Look(key=self._key(task), image=None)
        found, step, written = list[Labeled](), ClipStep(done=0, total=None, reused=0), 0.0
        with closing(work.stream()) as done:
            for item in done:
                if isinstance(item, Labeled):
                    found.append(item)
                else:
                    step = item
                if len(found) < _WRITTEN_AT_ONCE and time.monotonic() - written < _WRITE_SECONDS:
                    continue
                self._writer.write(clip, found, asked, look)
                found, written = [], time.monotonic()
                yield step
                if self._is_cancelled():
                    return
        self._writer.write(clip, found, asked, look)
        if work.error is not None:
            run.fail(clip.name, str(work.error))
        yield step

    def _key(self, task: ClipTask) -> str:
        job = self.job
        return WorkKeys(job.recipe).key(Prompts(), task.work, TRACKS.name, job.masks_on_disk)

    def _progress(self, step: ClipStep, left: int) -> Progress:
        """How many frames of all clips are done; those that come are taken to be as long."""
        total = None if step.total is None else self._frames + max(step.total, step.done) * left
        return Progress(
            done=self._frames + step.done,
            failed=self.run.failed,
            total=total,
            seconds=time.monotonic() - self._started,
            reused=step.reused,
            thing="frames",
        )


def _require_frames(video: Video, span: Span, asked: ClipPrompts) -> None:
    """Refuse prompts behind the last frame, by the numbers that frames have in FiftyOne."""
    last = max(asked.prompts, default=0)
    if span == Span() and last not in (there := video.indices(span, last)):
        raise UnsupportedPrompt(
            f"Frame {last + 1} has a prompt, but '{video.name}' has {len(there)} frames. Delete it."
        )


def _require_alone(job: TrackJob) -> None:
    """Refuse a field into which another run writes: both would go on where the other one is."""
    for other in all_runs(job.dataset):
        if other.state == "running" and job.path in other.fields and not other.is_silent:
            raise InvalidSetting(
                f"The run of {other.title} is still writing into '{job.path}'. Wait until it is "
                "done, or cancel it."
            )
