"""Label samples: look only where it is needed, write in bulk, remember how far it got."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from premask import Labeled, Progress, Recipe, Request, label
from premask.errors import InvalidMask, UnreadableImage
from premask.images import digest_of

from .existing import Merger, Policy, held
from .phrases import Phrases
from .pool import model_pool
from .provenance import Stamp
from .runs import Run, save
from .source_labels import Asked, SourceLabels
from .targets import all_images
from .writing import MapTargets, Output, Place, prepare_fields

_PLANNED_AT_ONCE = 200
_WRITTEN_AT_ONCE = 32
_WRITE_SECONDS = 2.0
"""What is not written is lost when the process is killed, so it does not wait long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Which samples to label, how, and into which fields.

    With a `source`, what is asked for is the labels that are there.
    """

    dataset: Any
    samples: Any
    recipe: Recipe
    outputs: dict[str, Output]
    phrases: Phrases = Phrases()
    source: SourceLabels | None = None
    policy: Policy = Policy()
    masks_on_disk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Todo:
    """A sample to look at, and the key of each field that wants it."""

    sample_id: str
    filepath: str
    asked: Asked
    keys: dict[str, str]


_Found = list[tuple[_Todo, Labeled]]


class Work:
    """One run under way."""

    def __init__(self, job: Job, run: Run, is_cancelled: Callable[[], bool]) -> None:
        self.job, self.run, self._is_cancelled = job, run, is_cancelled
        self._fingerprint = f"{job.recipe.fingerprint} {job.masks_on_disk}"
        self._stamp = Stamp(run=run.name, recipe=job.recipe.name)
        self._targets = MapTargets(job.dataset)
        # A view may hide labels that are there.
        self._all = all_images(job.dataset)
        self._found: _Found = []
        self.ids: Sequence[str] = ()
        self._started = self._written = time.monotonic()

    def steps(self) -> Generator[Progress, None, None]:
        """Do the work; each step says how far it got, and all up to there is in the database."""
        try:
            yield from self._steps()
            self.run.state = "cancelled" if self._is_cancelled() else "finished"
        except (GeneratorExit, KeyboardInterrupt):
            self.run.state = "cancelled"
            raise
        except BaseException as error:
            self.run.state, self.run.error = "failed", str(error)
            raise
        finally:
            self._save()

    def _steps(self) -> Generator[Progress, None, None]:
        self.run.new_fields = prepare_fields(self.job.dataset, self.job.outputs)
        todo = self._todo()
        first = next(todo, None)
        yield self._progress()
        if first is None:
            return
        under_way: deque[_Todo] = deque()
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

    def _todo(self) -> Iterator[_Todo]:
        """The samples to look at. What is done or left alone is counted when it is met."""
        # Now: a view of what has no labels will soon be empty.
        self.ids, paths = self.job.samples.values(["id", "filepath"])
        for first in range(0, len(self.ids), _PLANNED_AT_ONCE):
            part = slice(first, first + _PLANNED_AT_ONCE)
            yield from self._wanted(self.ids[part], paths[part])

    def _wanted(self, ids: Sequence[str], paths: Sequence[str]) -> Iterator[_Todo]:
        samples, policy = self._all.select(ids), self.job.policy
        asked = self._asked(ids, samples)
        state = {
            name: held(samples, name, output, policy) for name, output in self.job.outputs.items()
        }
        for sample_id, filepath in zip(ids, paths, strict=True):
            each = asked[sample_id]
            if each.error is not None:
                self.run.fail(filepath, str(each.error))
                continue
            keys = self._keys(each)
            needs = {name: state[name][sample_id].need(key, policy) for name, key in keys.items()}
            if "wanted" in needs.values():
                wanted = {name: key for name, key in keys.items() if needs[name] == "wanted"}
                yield _Todo(sample_id=sample_id, filepath=filepath, asked=each, keys=wanted)
            elif "left alone" in needs.values():
                self.run.left_alone += 1
            else:
                self.run.reused += 1

    def _asked(self, ids: Sequence[str], samples: Any) -> dict[str, Asked]:
        if self.job.source is not None:
            return self.job.source.of(ids)
        prompts = self.job.phrases.of(samples)
        return {sample_id: Asked(prompts=each) for sample_id, each in prompts.items()}

    def _keys(self, asked: Asked) -> dict[str, str]:
        """What decides the labels of a sample, in each field."""
        return {
            name: digest_of(f"{self._fingerprint} {output.name} {asked.prompts!r}".encode())
            for name, output in self.job.outputs.items()
        }

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._written
        return len(self._found) >= _WRITTEN_AT_ONCE or waited > _WRITE_SECONDS

    def _write(self) -> None:
        """Put what was found into the database, in one request for each field."""
        counts: dict[str, int] = {}
        for todo, labeled in self._found:
            if labeled.error is not None:
                self.run.fail(todo.filepath, str(labeled.error))
        for name in self.job.outputs:
            found = [(todo, each) for todo, each in self._found if name in todo.keys]
            written = self._write_field(name, [each for each in found if each[1].error is None])
            counts |= {key: max(count, counts.get(key, 0)) for key, count in written.items()}
        self.run.labeled += len(counts)
        self.run.annotations += sum(counts.values())
        self._found.clear()
        self._written = time.monotonic()
        self._save()

    def _write_field(self, name: str, found: _Found) -> dict[str, int]:
        """How many annotations each sample got in this field."""
        samples = self._all.select([todo.sample_id for todo, _ in found])
        merger = Merger.over(samples, name, self.job.outputs[name], self.job.policy)
        holders, counts = {}, {}
        for todo, labeled in found:
            place, key = self._place(name, todo), todo.keys[name]
            try:
                merged = merger.merged(todo.sample_id, labeled, place, key)
            except (InvalidMask, UnreadableImage) as error:
                self.run.fail(todo.filepath, str(error))
                continue
            if merged is not None:
                holders[todo.sample_id] = merged.holder
                counts[todo.sample_id] = merged.count
        for field, added in self._targets.save().items():
            self.run.new_targets.setdefault(field, {}).update(added)
        # To validate what premask made takes FiftyOne a sixth of all the time.
        self.job.dataset.set_values(name, holders, key_field="id", validate=False)
        return counts

    def _place(self, name: str, todo: _Todo) -> Place:
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
            total=len(self.ids),
            seconds=time.monotonic() - self._started,
            reused=before,
        )

    def _save(self) -> None:
        self.run.seconds = time.monotonic() - self._started
        save(self.job.dataset, self.run)


def _requests(todo: Iterable[_Todo], under_way: deque[_Todo]) -> Iterator[Request]:
    """What the pipeline is asked, noted in the order in which it will answer."""
    for each in todo:
        under_way.append(each)
        image = each.asked.image or each.filepath
        yield Request(image=image, name=each.filepath, prompts=each.asked.prompts)
