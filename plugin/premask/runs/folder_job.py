"""Annotate files into a folder: resumes where it was, writes behind the model, ends atomically."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from premask.annotations import Labeled
from premask.errors import PremaskError, UnreadableImage
from premask.images import digest_of, read_file, read_image
from premask.labels.formats import Format
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.class_names import known_classes
from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys
from premask.runs.delivery import Delivery
from premask.runs.folder_state import open_journal, write_state
from premask.runs.inputs import Input
from premask.runs.journal import Journal
from premask.runs.ordered_work import in_order
from premask.runs.pipeline import BATCH_SIZE, Request, label
from premask.runs.progress import Progress, ProgressWatcher

WRITERS = 2
"""Threads that encode and write the files of images while the model is at the next ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderJob:
    """What to annotate, how, and what to write where; of `classes` only these, in their order."""

    inputs: Sequence[Input]
    recipe: Recipe
    folder: Path
    formats: Sequence[Format]
    prompts: Prompts = Prompts()
    classes: tuple[str, ...] = ()
    batch_size: int = BATCH_SIZE

    @property
    def delivery(self) -> Delivery:
        """What is written where, with the classes' numbers."""
        known = known_classes(self.recipe, self.prompts)
        return Delivery(folder=self.folder, formats=self.formats, classes=self.classes, known=known)

    def require_usable_names(self) -> None:
        """Raise for images that a format can't write, before anything is done."""
        self.delivery.require_names([item.name for item in self.inputs])


@dataclass(slots=True, kw_only=True)
class FolderOutcome:
    """How it went: rows of (name, annotations, seconds), failures, and where the results are."""

    annotated: int = 0
    seconds: float = 0.0
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    class_note: str = ""


def annotate_into_folder(
    job: FolderJob, pool: ModelPool, on_progress: ProgressWatcher | None = None
) -> FolderOutcome:
    """Annotate what is not done yet, then write the formats for the whole job."""
    started = time.monotonic()
    with open_journal(job.folder) as journal:
        work = _Work(job, journal)
        work.annotate(pool, on_progress)
        work.write_missing_files()
        work.write_dataset_files()
    work.outcome.seconds = time.monotonic() - started
    return work.outcome


class _Work:
    """One job under way: the key of each input that was read, and how it went so far."""

    def __init__(self, job: FolderJob, journal: Journal) -> None:
        self.job, self.journal = job, journal
        self.outcome = FolderOutcome()
        self._delivery = job.delivery
        self._stems = {item.name: item.stem for item in job.inputs}
        self._keys: dict[str, str] = {}
        self._reused: list[Input] = []
        self._work_keys = WorkKeys(job.recipe)

    def annotate(self, pool: ModelPool, on_progress: ProgressWatcher | None) -> None:
        """Run the recipe on what is not in the journal; write the files of each image behind it."""
        labeled = label(
            self._requests(),
            self.job.recipe,
            prompts=self.job.prompts,
            pool=pool,
            batch_size=self.job.batch_size,
            on_progress=lambda progress: on_progress and on_progress(self._overall(progress)),
        )
        writing = in_order(self._write_image, labeled, workers=WRITERS, name="premask-write")
        with closing(labeled), closing(writing):
            for result, written in writing:
                # An image is done when its files are there: only then does the journal say so.
                written.result()
                name = result.image.name
                if result.error is not None:
                    self.outcome.failures[name] = result.error
                else:
                    self.journal.add(self._keys[name], result)
                    self.outcome.annotated += 1

    def write_missing_files(self) -> None:
        """Files of images that were done before: of a format asked for now, or gone missing."""
        if not self._delivery.has_image_files:
            return
        for item in self._reused:
            labeled = self._finished(item)
            wanted = self._delivery.image_files(labeled, item.stem)
            if not all(path.exists() for path in wanted):
                image = read_image(item.path, item.name)
                self._write_image(replace(labeled, image=image))

    def write_dataset_files(self) -> None:
        """The files for the whole dataset, in the order of the inputs, each read once more."""
        done = [item for item in self.job.inputs if self._keys.get(item.name, "") in self.journal]
        labels: set[str] = set()
        for item in done:
            found, seconds = self.journal.summary(self._keys[item.name])
            labels.update(found)
            self.outcome.rows.append((item.name, len(found), seconds))
        self.outcome.class_note = self._delivery.class_note(labels)
        self.outcome.written = self._delivery.write_dataset_files(
            lambda: map(self._finished, done), sorted(labels)
        )
        write_state(
            self.job.folder,
            {
                "recipe": str(self.job.recipe),
                "images": [
                    {"name": item.name, "path": str(item.path), "key": self._keys[item.name]}
                    for item in done
                ],
                "failures": {name: str(error) for name, error in self.outcome.failures.items()},
            },
        )

    def _requests(self) -> Iterator[Request]:
        """The inputs that are not done, with their bytes: read once, for the key and the pixels."""
        for item in self.job.inputs:
            try:
                data = read_file(item.path, item.name)
            except UnreadableImage:
                # The pipeline meets the same error, and reports it in its place.
                yield Request(image=item.path, name=item.name)
                continue
            self._keys[item.name] = self._work_keys.key(self.job.prompts, digest_of(data))
            if self._keys[item.name] in self.journal:
                self._reused.append(item)
            else:
                yield Request(image=data, name=item.name)

    def _write_image(self, labeled: Labeled) -> None:
        self._delivery.write_image_files(labeled, self._stems[labeled.image.name])

    def _finished(self, item: Input) -> Labeled:
        return self.journal.get(self._keys[item.name], item.name)

    def _overall(self, progress: Progress) -> Progress:
        """What was done before counts as done, but not for the speed."""
        reused = len(self._reused)
        total = len(self.job.inputs)
        return replace(progress, done=progress.done + reused, total=total, reused=reused)
