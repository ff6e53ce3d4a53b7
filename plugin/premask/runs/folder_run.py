"""Annotate files into a folder: resumes where it was, writes behind the model, ends atomically."""

from __future__ import annotations

import threading
import time

from premask.models.pool import ModelPool
from premask.recipes.work_keys import WorkKeys
from premask.runs.folder_contents import FolderContents
from premask.runs.folder_job import FolderJob, FolderOutcome
from premask.runs.folder_state import has_state, open_journal, read_state
from premask.runs.image_work import ImageWork
from premask.runs.progress import ProgressWatcher
from premask.runs.result_files import ResultFiles


def annotate_into_folder(
    job: FolderJob,
    pool: ModelPool,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> FolderOutcome:
    """Annotate what is not done yet, then write the formats for the whole job.

    Setting `cancel` ends it after the images under way, with `Cancelled`; they count as done.
    """
    started = time.monotonic()
    require_own_folder(job)
    with open_journal(job.folder) as journal:
        # Whoever has the journal is alone in the folder; so all else is read behind that.
        work = ImageWork(job, journal, ResultFiles(job.delivery))
        earlier = read_state(job.folder) if has_state(job.folder) else {"images": []}
        work.annotate(pool, on_progress, cancel or threading.Event())
        contents = FolderContents(work, earlier)
        contents.write_missing_files()
        contents.write_dataset_files()
        contents.note_state()
        # Last: a run that was killed before has taken nothing away.
        contents.remove_stale_files()
    work.outcome.seconds = time.monotonic() - started
    return work.outcome


def require_own_folder(job: FolderJob) -> None:
    """`UnwritableFile` where a file that a person made or changed has the name of a result."""
    ResultFiles(job.delivery).require_own()


def recipe_to_be_replaced(job: FolderJob) -> str | None:
    """The recipe whose results the folder holds, if this job asks for something else."""
    if not has_state(job.folder):
        return None
    state = read_state(job.folder)
    same = state.get("work", "") in ("", job.work_key(WorkKeys(job.recipe)))
    return None if same else str(state["recipe"])
