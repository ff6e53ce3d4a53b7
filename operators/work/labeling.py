"""Label samples: write what is found in bulk, and remember how far it got."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from premask import Labeled, Progress, Request, label
from premask.errors import InvalidMask, PremaskError, UnreadableImage

from ..dataset.bulk_store import store
from ..dataset.chosen_images import all_images
from ..dataset.history import Run, note, recorded
from ..dataset.provenance import Stamp
from ..dataset.writing import MapTargets, Place, prepare_fields
from .existing import Merged, Merger
from .planning import Job, Plan, Todo
from .pool import model_pool

_WRITTEN_AT_ONCE = 32
_WRITE_SECONDS = 2.0
"""What is not written is lost when the process is killed, so it does not wait long."""

_Found = list[tuple[Todo, Labeled]]


class Work:
    """One run under way."""

    def __init__(self, job: Job, run: Run, is_cancelled: Callable[[], bool]) -> None:
        self.job, self.run, self._is_cancelled = job, run, is_cancelled
        self._plan = Plan(job, run)
        self._stamp = Stamp(run=run.name, recipe=job.recipe.name)
        self._targets = MapTargets(job.dataset)
        self._all = all_images(job.dataset)
        self._found: _Found = []
        self._started = self._written = time.monotonic()

    @property
    def ids(self) -> Sequence[str]:
        """All samples of the job, as it was when the work began."""
        return self._plan.ids

    def steps(self) -> Generator[Progress, None, None]:
        """Do the work; each step says how far it got, and all up to there is in the database."""
        with recorded(self.job.dataset, self.run):
            yield from self._steps()
            if self._is_cancelled():
                self.run.state = "cancelled"

    def _steps(self) -> Generator[Progress, None, None]:
        self.run.new_fields = prepare_fields(self.job.dataset, self.job.outputs)
        todo = self._plan.todo()
        first = next(todo, None)
        yield self._progress()
        if first is None:
            return
        under_way: deque[Todo] = deque()
        requests = _requests(chain([first], todo), under_way)
        with closing(label(requests, self.job.recipe, pool=model_pool())) as results:
            for labeled in results:
                self._found.append((under_way.popleft(), labeled))
                if self._is_due():
                    self._write()
                    yield self._progress()
                    if self._is_cancelled():
                        return
        self._write()
        yield self._progress()

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._written
        return len(self._found) >= _WRITTEN_AT_ONCE or waited > _WRITE_SECONDS

    def _write(self) -> None:
        """Put what was found into the database, in one request for each field."""
        counts: dict[Todo, int] = {}
        errors = {todo: each.error for todo, each in self._found if each.error is not None}
        found = [pair for pair in self._found if pair[0] not in errors]
        for name in self.job.outputs:
            merged = self._merged(name, [pair for pair in found if name in pair[0].looks], errors)
            self._store(name, merged, errors)
            for todo, each in merged.items():
                counts[todo] = max(each.count, counts.get(todo, 0))
        for todo, _ in self._found:
            self._count(todo, counts.get(todo), errors.get(todo))
        self._found.clear()
        self._written = time.monotonic()
        note(self.job.dataset, self.run)

    def _merged(
        self, name: str, found: _Found, errors: dict[Todo, PremaskError]
    ) -> dict[Todo, Merged]:
        """What the samples that have room for it are to have in a field."""
        samples = self._all.select([todo.sample_id for todo, _ in found])
        merger = Merger.over(samples, name, self.job.outputs[name], self.job.policy)
        merged: dict[Todo, Merged] = {}
        for todo, labeled in found:
            place, look = self._place(name, todo), todo.looks[name]
            try:
                each = merger.merged(todo.sample_id, labeled, place, look)
            except (InvalidMask, UnreadableImage) as error:
                errors[todo] = error
            else:
                merged |= {todo: each} if each else {}
        return merged

    def _store(
        self, name: str, merged: dict[Todo, Merged], errors: dict[Todo, PremaskError]
    ) -> None:
        """Write a field; first what the numbers in its maps stand for."""
        for field, added in self._targets.save().items():
            self.run.new_targets.setdefault(field, {}).update(added)
        documents = {todo.sample_id: each.holder for todo, each in merged.items()}
        too_large = store(self.job.dataset, name, documents)
        errors |= {t: too_large[t.sample_id] for t in merged if t.sample_id in too_large}

    def _count(self, todo: Todo, annotations: int | None, error: PremaskError | None) -> None:
        """What became of a sample; None means that labels came in the way meanwhile."""
        if error is not None:
            self.run.fail(todo.filepath, str(error))
        elif annotations is not None:
            self.run.labeled += 1
            self.run.annotations += annotations
        else:
            self.run.left_alone += 1

    def _place(self, name: str, todo: Todo) -> Place:
        return Place(
            field=name,
            folder=Path(self.run.folder) / name,
            stem=todo.sample_id,
            on_disk=self.job.masks_on_disk,
            targets=self._targets,
            stamp=self._stamp,
            originals=todo.asked.originals,
        )

    def _progress(self) -> Progress:
        before = self.run.reused + self.run.left_alone
        return Progress(
            done=self.run.labeled + self.run.failed + before,
            failed=self.run.failed,
            total=len(self._plan.ids),
            seconds=time.monotonic() - self._started,
            reused=before,
        )


def _requests(todo: Iterable[Todo], under_way: deque[Todo]) -> Iterator[Request]:
    """What the pipeline is asked, noted in the order in which it will answer."""
    for each in todo:
        under_way.append(each)
        image = each.asked.image or each.filepath
        yield Request(image=image, name=each.filepath, prompts=each.asked.prompts)
