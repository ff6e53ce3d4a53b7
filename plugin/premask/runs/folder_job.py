"""Annotate files into a folder: resumes where it was, writes behind the model, ends atomically."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from premask.annotations import Labeled
from premask.errors import Cancelled, PremaskError, UnreadableImage, UnwritableFile
from premask.files import announcing, write_atomically
from premask.images import digest_of, read_file, read_image
from premask.labels.formats import DatasetFormat, Format
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.class_names import known_classes
from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys
from premask.runs.delivery import Delivery
from premask.runs.folder_state import (
    PREVIEW,
    has_state,
    open_journal,
    read_state,
    write_state,
    written_files,
)
from premask.runs.inputs import Input
from premask.runs.journal import Journal, version_of
from premask.runs.ordered_work import in_order
from premask.runs.pipeline import BATCH_SIZE, Request, label
from premask.runs.progress import Progress, ProgressWatcher
from premask.web.hosts import Hosts
from premask.web.image_bytes import fetch_image
from premask.web.network import Network

READERS = 4
"""Threads that read files ahead, or fetch them, which takes many times as long."""

WRITERS = 2
"""Threads that encode and write the files of images while the model is at the next ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderJob:
    """What to annotate, how, and what to write where; of `classes` only these, in their order.

    Without `resume` all images are annotated, those too that an earlier run did.
    """

    inputs: Sequence[Input]
    recipe: Recipe
    folder: Path
    formats: Sequence[Format]
    prompts: Prompts = Prompts()
    classes: tuple[str, ...] = ()
    batch_size: int = BATCH_SIZE
    resume: bool = True
    allowed_hosts: tuple[str, ...] = ()

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
    """How it went: rows of (name, annotations, seconds), failures, and where the results are.

    `reused` counts the images that an earlier run did in the same way. Those in `kept` failed now,
    and keep what an earlier run found. `removed` are files that showed what the folder has no more.
    """

    annotated: int = 0
    reused: int = 0
    seconds: float = 0.0
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    class_note: str = ""
    notes: Counter[str] = field(default_factory=Counter)
    """How images were read that have more than 8 bits, and how many in each way."""


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
        work = _Work(job, journal)
        work.annotate(pool, on_progress, cancel or threading.Event())
        work.choose_what_to_show()
        work.write_missing_files()
        work.write_dataset_files()
        work.remove_stale_files()
    work.outcome.seconds = time.monotonic() - started
    return work.outcome


def require_own_folder(job: FolderJob) -> None:
    """`UnwritableFile` where a file that premask did not write has the name of a result."""
    files = written_files(job.folder)
    for form in job.formats:
        if isinstance(form, DatasetFormat):
            files.require_own(job.folder / form.file_name)


def recipe_to_be_replaced(job: FolderJob) -> str | None:
    """The recipe whose results the folder holds, if this job asks for something else."""
    if not has_state(job.folder):
        return None
    state = read_state(job.folder)
    same = state.get("work", "") in ("", WorkKeys(job.recipe).key(job.prompts))
    return None if same else str(state["recipe"])


class _Work:
    """One job under way: the key of each input that was read, and how it went so far."""

    def __init__(self, job: FolderJob, journal: Journal) -> None:
        self.job, self.journal = job, journal
        self.outcome = FolderOutcome()
        self._delivery = job.delivery
        self._files = written_files(job.folder)
        self._items = {item.name: item for item in job.inputs}
        self._work_keys = WorkKeys(job.recipe)
        self._reusable = journal.keys() if job.resume else frozenset[str]()
        self._state = read_state(job.folder) if has_state(job.folder) else {"images": []}
        # By the name of the image: the digest of its bytes, the key of the work on it.
        self._digests: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._fresh: set[str] = set()
        self._shown: list[tuple[Input, str]] = []
        self._what_files_show = {PREVIEW}

    def annotate(
        self, pool: ModelPool, on_progress: ProgressWatcher | None, cancel: threading.Event
    ) -> None:
        """Run the recipe on what is not in the journal; write the files of each image behind it."""
        labeled = label(
            self._requests(),
            self.job.recipe,
            prompts=self.job.prompts,
            pool=pool,
            batch_size=self.job.batch_size,
            on_progress=lambda progress: on_progress and on_progress(self._overall(progress)),
        )
        if not self.job.resume:
            # Only now: a model that can't be loaded takes nothing away.
            self.journal.set_aside()
        until_cancel = _until(cancel, labeled)
        writing = in_order(self._write_fresh, until_cancel, workers=WRITERS, name="premask-write")
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

    def choose_what_to_show(self) -> None:
        """The images that the folder shows, each with the key of what was found in it.

        One that failed keeps what an earlier run found, unless the image is another one by now.
        """
        earlier = {entry["name"]: entry["key"] for entry in self._state["images"]}
        for item in self.job.inputs:
            key = self._keys.get(item.name)
            if item.name in self.outcome.failures:
                key = earlier.get(item.name)
                if key is None or not self._still_holds(item, key):
                    continue
                self.outcome.kept.append(item.name)
            if key is not None:
                self._shown.append((item, key))

    def write_missing_files(self) -> None:
        """Files of images that were done before: of a format asked for now, or gone missing."""
        if not self._delivery.has_image_files:
            return
        for item, key in self._shown:
            if item.name in self._fresh:
                continue
            labeled = self.journal.get(key, item.name)
            wanted, shows = (
                self._delivery.image_files(labeled, item.stem),
                self._shows(version_of(labeled), item),
            )
            if all(self._files.shows(path) == shows for path in wanted):
                continue
            try:
                if self._delivery.needs_pixels:
                    labeled = replace(labeled, image=read_image(item.path, item.name))
                self._write_image(labeled)
            except (UnreadableImage, UnwritableFile) as error:
                self.outcome.failures.setdefault(item.name, error)

    def write_dataset_files(self) -> None:
        """The files for the whole dataset, in the order of the inputs, each read once more."""
        labels, versions = set[str](), []
        for item, key in self._shown:
            found = self.journal.summary(key)
            labels.update(found.labels)
            self.outcome.rows.append((item.name, len(found.labels), found.seconds))
            self._what_files_show.add(self._shows(found.version, item))
            versions.append((item.name, found.version))
        self.outcome.class_note = self._delivery.class_note(labels)
        shows = digest_of(repr([versions, self.job.classes]).encode())
        self._what_files_show.add(shows)
        with announcing(lambda path: self._files.claim(path, shows)):
            self.outcome.written = self._delivery.write_dataset_files(
                lambda: (self.journal.get(key, item.name) for item, key in self._shown),
                sorted(labels),
            )
        only_kept = bool(self._shown) and len(self.outcome.kept) == len(self._shown)
        asked = {"recipe": str(self.job.recipe), "work": self._work_keys.key(self.job.prompts)}
        write_state(
            self.job.folder,
            {
                **(self._state if only_kept else asked),
                "images": [
                    {
                        "name": item.name,
                        "path": str(item.path),
                        "beside": os.path.relpath(item.path, self.job.folder),
                        "key": key,
                    }
                    for item, key in self._shown
                ],
                "failures": {name: str(error) for name, error in self.outcome.failures.items()},
            },
        )

    def remove_stale_files(self) -> None:
        """Remove what premask wrote and the folder does not show any more."""
        self.outcome.removed = self._files.remove_all_but(self._what_files_show)
        if all(key in self.journal for _, key in self._shown):
            self.journal.forget_what_was_set_aside()

    def _requests(self) -> Iterator[Request]:
        """The inputs that are not done, with their bytes: read once, for the key and the pixels."""
        reading = in_order(self._read, self.job.inputs, workers=READERS, name="premask-fetch")
        for item, future in reading:
            try:
                data = future.result()
            except UnreadableImage as error:
                yield Request(image=b"", name=item.name, error=error)
                continue
            self._digests[item.name] = digest_of(data)
            key = self._work_keys.key(self.job.prompts, self._digests[item.name])
            self._keys[item.name] = key
            if key in self._reusable:
                self.outcome.reused += 1
            else:
                yield Request(image=data, name=item.name)

    def _read(self, item: Input) -> bytes:
        if not item.url or (self.job.resume and item.path.is_file()):
            return read_file(item.path, item.name)
        data = fetch_image(item.url, self._network)
        write_atomically(item.path, data)
        return data

    @cached_property
    def _network(self) -> Network:
        # To make one, the certificates of this machine are read.
        allow_with = "--allow-hosts {server}"
        return Network(hosts=Hosts(allowed=self.job.allowed_hosts, allow_with=allow_with))

    def _write_fresh(self, labeled: Labeled) -> None:
        if labeled.error is None and self._delivery.has_image_files:
            self._write_image(labeled)

    def _write_image(self, labeled: Labeled) -> None:
        item = self._items[labeled.image.name]
        shows = self._shows(version_of(labeled), item)
        with announcing(lambda path: self._files.claim(path, shows)):
            self._delivery.write_image_files(labeled, item.stem)

    def _note(self, result: Labeled) -> None:
        name = result.image.name
        if result.error is not None:
            self.outcome.failures[name] = result.error
        else:
            self.journal.add(self._keys[name], result)
            self._fresh.add(name)
            self.outcome.annotated += 1
            if result.image.note:
                self.outcome.notes[result.image.note] += 1

    def _still_holds(self, item: Input, key: str) -> bool:
        """Whether this is what was found in the image as it is, or in one that can't be read."""
        if not self.journal.knows(key):
            return False
        digest = self._digests.get(item.name)
        return digest is None or digest == self.journal.get(key, item.name).image.digest

    def _shows(self, version: str, item: Input) -> str:
        """What the files of an image show, in a text that changes with it."""
        return " ".join((version, item.stem, *self.job.classes))

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
