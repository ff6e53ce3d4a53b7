"""Follow objects in clips into a folder: resumes inside a clip, and a broken one stops no other."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from premask.annotations import LabeledClip
from premask.errors import Cancelled, ModelFailed, PremaskError, UnreadableVideo
from premask.images import digest_of
from premask.labels.clip_formats import CLIP_FORMATS, ClipFormat
from premask.labels.formats import AnyFormat, DatasetFormat
from premask.models.pool import ModelPool
from premask.recipes.tracking.pointing import words_of
from premask.runs.clips.clip_delivery import ShownClip, deliver_clips
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.clip_work import ClipWork
from premask.runs.folder_state import (
    PREVIEW,
    STATE_FOLDER,
    kept_clips,
    open_journal,
    write_state,
    written_files,
)
from premask.runs.progress import Progress, ProgressWatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipJob:
    """The clips of one run, each with what is asked for in it, and what is written where.

    `unreadable` are clips that could not even be opened.
    """

    tasks: Sequence[ClipTask]
    folder: Path
    formats: Sequence[AnyFormat]
    unreadable: Sequence[UnreadableVideo] = ()


@dataclass(slots=True, kw_only=True)
class ClipRow:
    """How it went with one clip."""

    name: str
    frames: int
    tracks: int
    seconds: float


@dataclass(slots=True, kw_only=True)
class ClipOutcome:
    """How it went. Of a clip in `failures` all is kept that came before it broke off."""

    rows: list[ClipRow] = field(default_factory=list)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    edited: list[Path] = field(default_factory=list)
    seconds: float = 0.0


def track_into_folder(
    job: ClipJob,
    pool: ModelPool,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> ClipOutcome:
    """Follow what is asked for in each clip, then write the formats for all of them.

    Setting `cancel` ends it after the frame under way, with `Cancelled`; what is done is kept.
    """
    started, outcome = time.monotonic(), ClipOutcome()
    outcome.failures.update((error.name, error) for error in job.unreadable)
    # The journal is not written, but whoever has it is alone in the folder.
    with open_journal(job.folder):
        _require_own(job)
        works = [
            (task, ClipWork(task, pool, clip_folder(job.folder, task.video.name)))
            for task in job.tasks
        ]
        shown = []
        for task, work in works:
            begun = time.monotonic()
            if _is_done(task, work, outcome, on_progress, cancel or threading.Event()):
                shown.append((task, work))
                outcome.rows.append(_row(task, work, time.monotonic() - begun))
        # Where nothing could be followed, what an earlier run found stays.
        if shown:
            _write(job, shown, outcome)
    outcome.seconds = time.monotonic() - started
    return outcome


def clip_folder(folder: Path, name: str) -> Path:
    """Where the work on a clip lies in a folder of results."""
    return folder / STATE_FOLDER / "clips" / digest_of(name.encode())


def _require_own(job: ClipJob) -> None:
    files = written_files(job.folder)
    for form in job.formats:
        if isinstance(form, ClipFormat | DatasetFormat):
            files.require_own(job.folder / form.file_name)


def _is_done(
    task: ClipTask,
    work: ClipWork,
    outcome: ClipOutcome,
    on_progress: ProgressWatcher | None,
    cancel: threading.Event,
) -> bool:
    """Whether there is something to show of the clip."""
    name = task.video.name
    try:
        _run(name, work, len(outcome.failures), on_progress, cancel)
    except Cancelled:
        raise
    except PremaskError as error:
        outcome.failures[name] = error
        return False
    except Exception as error:
        failed = ModelFailed(
            f"The recipe '{task.recipe.name}' failed on {name!r}: {type(error).__name__}: {error}. "
            "The other clips are not affected."
        )
        failed.__cause__ = error
        outcome.failures[name] = failed
        return False
    if work.error is not None:
        outcome.failures[name] = work.error
    return True


def _run(
    name: str,
    work: ClipWork,
    failed: int,
    on_progress: ProgressWatcher | None,
    cancel: threading.Event,
) -> None:
    """Do the work on a clip, and tell how many of its frames are done."""
    started = time.monotonic()
    with closing(work.run()) as steps:
        for step in steps:
            if on_progress is not None:
                progress = Progress(
                    done=step.done,
                    failed=failed,
                    total=None if step.total is None else max(step.total, step.done),
                    seconds=time.monotonic() - started,
                    reused=step.reused,
                    thing="frames",
                )
                on_progress(progress)
            if cancel.is_set():
                raise Cancelled(f"Stopped in '{name}' after {step.done} frames, as asked.")


def _row(task: ClipTask, work: ClipWork, seconds: float) -> ClipRow:
    frames, tracks = 0, set[int | None]()
    for labeled in work.frames:
        frames += 1
        tracks.update(found.track for found in labeled.annotations)
    return ClipRow(name=task.video.name, frames=frames, tracks=len(tracks), seconds=seconds)


def _write(job: ClipJob, shown: Sequence[tuple[ClipTask, ClipWork]], outcome: ClipOutcome) -> None:
    """The files of all formats, and the state of the folder for the next run and the preview."""

    def read_clips() -> Iterator[ShownClip]:
        for task, work in shown:
            yield ShownClip(labeled=labeled_clip(task, work), video=task.video)

    labels = dict.fromkeys(
        found.label
        for task, work in shown
        for labeled in work.frames
        for found in labeled.annotations
    )
    files = written_files(job.folder)
    # All files show all clips: they change together.
    shows = digest_of(
        repr([(task.video.name, task.work, task.recipe.fingerprint) for task, _ in shown]).encode()
    )
    with files.claiming(shows):
        outcome.written = deliver_clips(read_clips, job.folder, job.formats, sorted(labels))
        if all(form.name not in CLIP_FORMATS for form in job.formats):
            kept = kept_clips(job.folder)
            CLIP_FORMATS["ytvis"].write((clip.labeled for clip in read_clips()), kept, ())
    write_state(job.folder, _state([task for task, _ in shown], shows, outcome))
    _, outcome.edited = files.remove_all_but({shows, PREVIEW})


def _state(tasks: Sequence[ClipTask], work: str, outcome: ClipOutcome) -> dict[str, Any]:
    return {
        "recipe": str(tasks[0].recipe),
        "work": work,
        "images": [],
        "clips": [
            {
                "name": task.video.name,
                "path": str(task.video.path.absolute()),
                "recipe": str(task.recipe),
                "start": task.span.start,
                "end": None if math.isinf(task.span.end) else task.span.end,
                "fps": task.span.fps,
            }
            for task in tasks
        ],
        "failures": {name: str(error) for name, error in outcome.failures.items()},
    }


def labeled_clip(task: ClipTask, work: ClipWork) -> LabeledClip:
    """What was found in a clip, for its writers."""
    words = words_of(task.prompts)
    return LabeledClip(
        name=task.video.name,
        size_hw=task.video.size_hw,
        frames=work.frames,
        fps=task.video.fps,
        phrases=tuple(phrase.label or phrase.text for phrase in words.phrases if phrase.positive),
    )
