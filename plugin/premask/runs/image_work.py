"""The images of a job that are not done yet: read ahead, written behind the model, journaled."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from premask.annotations import Labeled
from premask.errors import Cancelled, UnreadableImage, UnwritableFile
from premask.images import digest_of
from premask.models.pool import ModelPool
from premask.recipes.work_keys import WorkKeys
from premask.runs.folder_job import FolderJob, FolderOutcome
from premask.runs.input_reading import InputReader
from premask.runs.journal import Journal
from premask.runs.ordered_work import in_order
from premask.runs.pipeline import Request, label
from premask.runs.progress import Progress, ProgressWatcher
from premask.runs.result_files import ResultFiles

WRITERS = 2
"""Threads that encode and write the files of images while the model is at the next ones."""


class ImageWork:
    """Annotates what the journal does not have, and counts in the outcome.

    Afterwards it knows, by the names of the images, the digest of the bytes and the key of the work
    for all that could be read, and which are `fresh`: annotated now, with their files.
    """

    def __init__(self, job: FolderJob, journal: Journal, files: ResultFiles) -> None:
        self.job, self.journal, self.files = job, journal, files
        self.outcome = FolderOutcome()
        self.digests: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.fresh: set[str] = set()
        self._stems = {item.name: item.stem for item in job.inputs}
        self._work_keys = WorkKeys(job.recipe)
        self._reusable = journal.keys() if job.resume else frozenset[str]()

    @property
    def key_of_all(self) -> str:
        """What decides all results of this job, whatever the image."""
        return self.job.work_key(self._work_keys)

    def annotate(
        self, pool: ModelPool, on_progress: ProgressWatcher | None, cancel: threading.Event
    ) -> None:
        """Run the recipe on what is not in the journal; write the files of each image behind it."""
        labeled = label(
            self._requests(),
            self.job.recipe,
            prompts=self.job.prompts,
            window=self.job.window,
            pool=pool,
            batch_size=self.job.batch_size,
            on_progress=lambda progress: on_progress and on_progress(self._overall(progress)),
        )
        if not self.job.resume:
            # Only now: a model that can't be loaded takes nothing away.
            self.journal.set_aside()
        until_cancel = _until(cancel, labeled)
        writing = in_order(self._write, until_cancel, workers=WRITERS, name="premask-write")
        with closing(labeled), closing(writing):
            for result, written in writing:
                try:
                    # An image is done when its files are there: then the journal says so.
                    written.result()
                except UnwritableFile as error:
                    result = replace(result, error=error)
                self._note(result)
        if cancel.is_set():
            raise Cancelled(f"Stopped after {self.outcome.annotated} images, as asked.")

    def _requests(self) -> Iterator[Request]:
        """The inputs that are not done, with their bytes: read once, for the key and the pixels."""
        reader = InputReader(allowed_hosts=self.job.allowed_hosts, again=not self.job.resume)
        for item, future in reader.read(self.job.inputs):
            try:
                data = future.result()
            except UnreadableImage as error:
                yield Request(image=b"", name=item.name, error=error)
                continue
            self.digests[item.name] = digest_of(data)
            key = self.job.work_key(self._work_keys, self.digests[item.name])
            self.keys[item.name] = key
            if key in self._reusable:
                self.outcome.reused += 1
            else:
                yield Request(image=data, name=item.name)

    def _write(self, labeled: Labeled) -> None:
        if labeled.error is None and self.files.delivery.has_image_files:
            self.files.write_image(labeled, self._stems[labeled.image.name])

    def _note(self, result: Labeled) -> None:
        name = result.image.name
        if result.error is not None:
            self.outcome.failures[name] = result.error
            return
        self.journal.add(self.keys[name], result)
        self.fresh.add(name)
        self.outcome.annotated += 1
        if result.image.note:
            self.outcome.notes[result.image.note] += 1

    def _overall(self, progress: Progress) -> Progress:
        """What was done before counts as done, but not for the speed."""
        reused = self.outcome.reused
        total = len(self.job.inputs)
        return replace(progress, done=progress.done + reused, total=total, reused=reused)


def _until(cancel: threading.Event, labeled: Iterable[Labeled]) -> Iterator[Labeled]:
    for result in labeled:
        yield result
        if cancel.is_set():
            return
