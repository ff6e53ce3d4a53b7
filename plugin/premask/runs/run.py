"""Annotate files into a folder: resumes where it was, writes behind the model, ends atomically."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from premask.annotations import Labeled
from premask.errors import PremaskError, UnreadableImage
from premask.files import write_atomically
from premask.images import Image, digest_of, read_file, read_image
from premask.labels.formats import DatasetFormat, ImageFormat
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe
from premask.runs.inputs import Input
from premask.runs.journal import Journal
from premask.runs.pipeline import BATCH_SIZE, Progress, Request, label

STATE = ".premask"
WRITERS = 2

Watcher = Callable[[Progress], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to annotate, how, and what to write where."""

    inputs: Sequence[Input]
    recipe: Recipe
    folder: Path
    formats: Sequence[DatasetFormat | ImageFormat]
    prompts: Prompts = Prompts()
    batch_size: int = BATCH_SIZE


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a run went: rows of (name, annotations, seconds), failures, and where the results are."""

    annotated: int = 0
    seconds: float = 0.0
    rows: list[tuple[str, int, float]] = field(default_factory=list)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)


def run(job: Job, pool: ModelPool, on_progress: Watcher | None = None) -> Outcome:
    """Annotate what is not done yet, then write the formats for the whole job."""
    started = time.monotonic()
    with Journal(job.folder / STATE / "journal.jsonl") as journal:
        work = _Work(job, journal)
        work.annotate(pool, on_progress)
        work.write_missing_files()
        work.write_datasets()
    work.outcome.seconds = time.monotonic() - started
    return work.outcome


def start_over(folder: Path) -> None:
    """Forget what was done in this folder; its results stay until they are written anew."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


def results_of(folder: Path) -> Iterator[Labeled]:
    """What the last run into this folder found, with pixels, one at a time; then what failed."""
    state = read_state(folder)
    with Journal(folder / STATE / "journal.jsonl") as journal:
        for entry in state["images"]:
            try:
                image = read_image(entry["path"], entry["name"])
                yield replace(journal.get(entry["key"], entry["name"]), image=image)
            except UnreadableImage as error:
                yield Labeled(image=Image.unread(entry["name"]), error=error)
    for name, reason in state["failures"].items():
        yield Labeled(image=Image.unread(name), error=PremaskError(reason))


def read_state(folder: Path) -> dict[str, Any]:
    """The recipe, the images and the failures of the last run into this folder."""
    try:
        state = json.loads((folder / STATE / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PremaskError(
            f"{folder} holds no finished run of premask. Make one with: premask annotate PATHS "
            f"--out {folder}"
        ) from error
    assert isinstance(state, dict)
    return state


class _Work:
    """One run under way: the key of each input that was read, and how it went so far."""

    def __init__(self, job: Job, journal: Journal) -> None:
        self.job, self.journal = job, journal
        self.outcome = Outcome()
        self._inputs = {each.name: each for each in job.inputs}
        self._keys: dict[str, str] = {}
        self._reused: list[Input] = []
        self._settings = f"{job.recipe.fingerprint} {job.prompts!r}"

    def annotate(self, pool: ModelPool, on_progress: Watcher | None) -> None:
        """Run the recipe on what is not in the journal; write the files of each image behind it."""
        labeled = label(
            self._requests(),
            self.job.recipe,
            prompts=self.job.prompts,
            pool=pool,
            batch_size=self.job.batch_size,
            on_progress=lambda progress: on_progress and on_progress(self._overall(progress)),
        )
        writing: deque[tuple[Labeled, Future[None]]] = deque()
        with closing(labeled), ThreadPoolExecutor(WRITERS, "premask-write") as writers:
            for each in labeled:
                writing.append((each, writers.submit(self._write_files, each)))
                if len(writing) > 2 * WRITERS:
                    self._finish(*writing.popleft())
            for waiting in writing:
                self._finish(*waiting)

    def write_missing_files(self) -> None:
        """Files of images that were done before: of a format asked for now, or gone missing."""
        for each in self._reused if self._image_formats() else ():
            labeled = self._finished(each)
            wanted = (
                path
                for form in self._image_formats()
                for path in form.files(labeled, self.job.folder / form.folder_name, each.stem)
            )
            if not all(path.exists() for path in wanted):
                image = read_image(each.path, each.name)
                self._write_files(replace(labeled, image=image))

    def write_datasets(self) -> None:
        """The files for the whole dataset, in the order of the inputs, each read once more."""
        done = [each for each in self.job.inputs if self._keys.get(each.name, "") in self.journal]
        labels: set[str] = set()
        for each in done:
            found, seconds = self.journal.summary(self._keys[each.name])
            labels.update(found)
            self.outcome.rows.append((each.name, len(found), seconds))
        for form in self.job.formats:
            if isinstance(form, DatasetFormat):
                path = self.job.folder / form.file_name
                written = form.write(map(self._finished, done), path, sorted(labels))
                self.outcome.written += written
            else:
                self.outcome.written.append(self.job.folder / form.folder_name)
        self._write_state(done)

    def _requests(self) -> Iterator[Request]:
        """The inputs that are not done, with their bytes: read once, for the key and the pixels."""
        for each in self.job.inputs:
            try:
                data = read_file(each.path, each.name)
            except UnreadableImage:
                # The pipeline meets the same error, and reports it in its place.
                yield Request(image=each.path, name=each.name)
                continue
            self._keys[each.name] = digest_of(f"{self._settings} {digest_of(data)}".encode())
            if self._keys[each.name] in self.journal:
                self._reused.append(each)
            else:
                yield Request(image=data, name=each.name)

    def _write_files(self, labeled: Labeled) -> None:
        stem = self._inputs[labeled.image.name].stem
        for form in self._image_formats():
            form.write(labeled, self.job.folder / form.folder_name, stem)

    def _finish(self, labeled: Labeled, written: Future[None]) -> None:
        """An image is done when its files are there: only then does the journal say so."""
        written.result()
        name = labeled.image.name
        if labeled.error is not None:
            self.outcome.failures[name] = labeled.error
        else:
            self.journal.add(self._keys[name], labeled)
            self.outcome.annotated += 1

    def _finished(self, each: Input) -> Labeled:
        return self.journal.get(self._keys[each.name], each.name)

    def _image_formats(self) -> list[ImageFormat]:
        return [form for form in self.job.formats if isinstance(form, ImageFormat)]

    def _overall(self, progress: Progress) -> Progress:
        """What was done before counts as done, but not for the speed."""
        reused = len(self._reused)
        total = len(self.job.inputs)
        return replace(progress, done=progress.done + reused, total=total, reused=reused)

    def _write_state(self, done: Sequence[Input]) -> None:
        state = {
            "recipe": str(self.job.recipe),
            "images": [
                {"name": each.name, "path": str(each.path), "key": self._keys[each.name]}
                for each in done
            ],
            "failures": {name: str(error) for name, error in self.outcome.failures.items()},
        }
        text = json.dumps(state, indent=1)
        write_atomically(self.job.folder / STATE / "state.json", text.encode())
