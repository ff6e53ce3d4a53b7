"""Label samples: write what is found in bulk, and remember how far it got."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from premask import Labeled, Progress, Request, label
from premask.errors import InvalidMask, PremaskError, UnreadableImage
from premask.runs.progress import ProgressCounter

from ..dataset.bulk_store import store
from ..dataset.chosen_images import all_images
from ..dataset.history import Run, all_runs, note, recorded
from ..dataset.provenance import Stamp, has_others
from ..dataset.writing import MapTargets, Place, prepare_fields
from .existing import Existing, Merged
from .planning import Job, Todo, planned
from .pool import model_pool

_WRITTEN_AT_ONCE = 32
_WRITE_SECONDS = 2.0
"""What is not written is lost when the process is killed, so it does not wait long."""

_Found = list[tuple[Todo, Labeled]]


class Work:
    """One run under way."""

    def __init__(self, job: Job, run: Run, is_cancelled: Callable[[], bool]) -> None:
        self.job, self.run, self._is_cancelled = job, run, is_cancelled
        self.ids: Sequence[str] = ()
        self._stamp = Stamp(run=run.name, recipe=job.recipe.name)
        self._targets = MapTargets(job.dataset)
        self._counter = ProgressCounter()
        self._written = time.monotonic()
        self._own: set[str] = set()

    def steps(self) -> Generator[Progress, None, None]:
        """Do the work, and say after each write how far it got."""
        with recorded(self.job.dataset, self.run):
            prepared = prepare_fields(self.job.dataset, self.job.outputs)
            self.run.new_fields, self.run.new_attributes = prepared
            self._own = self._fields_of_runs()
            # Now: a view of what has no labels is empty as soon as it is labeled.
            self.ids, paths = self.job.samples.values(["id", "filepath"])
            self.run.total = len(self.ids)
            todo = planned(self.job, self.run, dict(zip(self.ids, paths, strict=True)))
            first = next(todo, None)
            yield self._progress()
            # Where all is done, no model needs to be loaded.
            if first is not None:
                yield from self._label(chain([first], todo))
            if self._is_cancelled():
                self.run.state = "cancelled"

    def _fields_of_runs(self) -> set[str]:
        """Return the fields that runs have made, or in which nobody else has put anything yet."""
        dataset = self.job.dataset
        made = {field for run in (*all_runs(dataset), self.run) for field in run.new_fields}
        return made | {
            field for field in self.job.outputs if not has_others(all_images(dataset), field)
        }

    def _label(self, todo: Iterator[Todo]) -> Iterator[Progress]:
        """Ask the pipeline, and write what it answers every few images or seconds."""
        under_way: deque[Todo] = deque()

        def requests() -> Iterator[Request]:
            for sample in todo:
                under_way.append(sample)
                yield from _requests(sample)

        found: _Found = []
        with closing(label(requests(), self.job.recipe, pool=model_pool())) as results:
            for answer in results:
                # The pipeline answers in the order in which it was asked.
                sample = under_way.popleft()
                found.append((sample, self._labeled(sample, answer, results)))
                waited = time.monotonic() - self._written
                if len(found) >= _WRITTEN_AT_ONCE or waited > _WRITE_SECONDS:
                    self._write(found)
                    yield self._progress()
                    if self._is_cancelled():
                        return
                    found = []
        self._write(found)
        yield self._progress()

    def _labeled(self, sample: Todo, first: Labeled, rest: Iterator[Labeled]) -> Labeled:
        """What was found in a sample; of crops, each has an answer of its own."""
        crops = sample.asked.crops
        if crops is None:
            return first
        answers = [first, *islice(rest, len(crops) - 1)]
        return crops.together(answers, self.job.policy.overlap)

    def _write(self, found: _Found) -> None:
        """Put what was found into the database, in one request for each field."""
        errors = {todo: labeled.error for todo, labeled in found if labeled.error is not None}
        labeled_samples = [(todo, labeled) for todo, labeled in found if todo not in errors]
        counts: dict[Todo, int] = {}
        deleted: set[Todo] = set()
        for field in self.job.outputs:
            wanted = [(todo, labeled) for todo, labeled in labeled_samples if field in todo.looks]
            merged = self._merged(field, wanted, errors, deleted)
            # First what the numbers in the maps stand for.
            for name, added in self._targets.save().items():
                self.run.new_targets.setdefault(name, {}).update(added)
            documents = {todo.sample_id: result.holder for todo, result in merged.items()}
            too_large = store(self.job.dataset, field, documents)
            for todo, result in merged.items():
                counts[todo] = max(result.count, counts.get(todo, 0))
                if todo.sample_id in too_large:
                    errors[todo] = too_large[todo.sample_id]
        self._count([todo for todo, _ in found], counts, errors, deleted)
        self._written = time.monotonic()
        note(self.job.dataset, self.run)

    def _count(
        self,
        todos: Sequence[Todo],
        counts: Mapping[Todo, int],
        errors: Mapping[Todo, PremaskError],
        deleted: Set[Todo],
    ) -> None:
        """Note in the run what became of these samples; those written have a count of labels."""
        for todo in todos:
            if todo in errors:
                self.run.fail(todo.filepath, str(errors[todo]))
            elif todo in deleted:
                self.run.deleted += 1
            elif todo in counts:
                self.run.labeled += 1
                self.run.annotations += counts[todo]
            else:  # labels came in the way meanwhile
                self.run.left_alone += 1

    def _merged(
        self, field: str, found: _Found, errors: dict[Todo, PremaskError], deleted: set[Todo]
    ) -> dict[Todo, Merged]:
        """Put what was found beside what the samples have in a field.

        Samples without room for it are left out; those that can't be merged go into `errors`, and
        those that are in the dataset no more into `deleted`.
        """
        samples = all_images(self.job.dataset).select([todo.sample_id for todo, _ in found])
        output, policy = self.job.outputs[field], self.job.policy
        existing = Existing.read(samples, field, output, policy, is_own=field in self._own)
        merged: dict[Todo, Merged] = {}
        for todo, labeled in found:
            if todo.sample_id not in existing.holders:
                deleted.add(todo)
                continue
            place = Place(
                field=field,
                folder=Path(self.run.folder) / field,
                stem=todo.sample_id,
                on_disk=self.job.masks_on_disk,
                targets=self._targets,
                stamp=self._stamp,
                originals=todo.asked.originals,
            )
            try:
                look, places = todo.looks[field], todo.asked.places
                result = existing.merged(todo.sample_id, labeled, place, look, places)
            except (InvalidMask, UnreadableImage) as error:
                errors[todo] = error
                continue
            if result is not None:
                merged[todo] = result
        return merged

    def _progress(self) -> Progress:
        counter, run = self._counter, self.run
        counter.total, counter.failed = len(self.ids), run.failed
        counter.reused = run.reused + run.left_alone + run.deleted
        counter.done = run.labeled + run.failed + counter.reused
        return counter.progress()


def _requests(sample: Todo) -> Iterator[Request]:
    """What the pipeline is asked for in one sample."""
    asked = sample.asked
    if asked.crops is not None:
        yield from asked.crops.requests(asked.prompts)
    else:
        image = asked.image or sample.filepath
        yield Request(image=image, name=sample.filepath, prompts=asked.prompts)
