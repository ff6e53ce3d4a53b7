"""Which samples to look at, and how: not twice in the same way, nor where labels are in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys

from ..dataset.chosen_images import all_images
from ..dataset.history import Run
from ..dataset.phrases import Phrases
from ..dataset.provenance import Look, version_of
from ..dataset.source_labels import Asked, SourceLabels
from ..dataset.writing import Output
from .existing import Held, Policy, held

_AT_ONCE = 200
"""Samples of which the database is asked what they have."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Todo:
    """A sample to look at, and how, for each field that wants it."""

    sample_id: str
    filepath: str
    asked: Asked
    looks: dict[str, Look]


class Plan:
    """What is to do for a job; what is done or left alone is counted in its run when it is met."""

    def __init__(self, job: Job, run: Run) -> None:
        self._job, self._run = job, run
        self._work_keys = WorkKeys(job.recipe)
        # A view may hide labels that are there.
        self._all = all_images(job.dataset)
        self.ids: Sequence[str] = ()

    def todo(self) -> Iterator[Todo]:
        """The samples to look at, planned a few hundred at a time."""
        # Now: a view of what has no labels will soon be empty.
        self.ids, paths = self._job.samples.values(["id", "filepath"])
        for first in range(0, len(self.ids), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            yield from self._wanted(dict(zip(self.ids[part], paths[part], strict=True)))

    def _wanted(self, paths: dict[str, str]) -> Iterator[Todo]:
        samples = self._all.select(list(paths))
        asked = self._asked(samples, list(paths))
        images = {
            sample_id: None if asked[sample_id].image else version_of(path)
            for sample_id, path in paths.items()
        }
        state = {
            name: held(samples, name, output, self._job.policy, images)
            for name, output in self._job.outputs.items()
        }
        for sample_id, path in paths.items():
            each = asked[sample_id]
            if each.error is not None:
                self._run.fail(path, str(each.error))
                continue
            looks = self._looks(each, images[sample_id])
            wanted = self._still_wanted(looks, {name: state[name][sample_id] for name in looks})
            if wanted:
                yield Todo(sample_id=sample_id, filepath=path, asked=each, looks=wanted)

    def _asked(self, samples: Any, ids: Sequence[str]) -> dict[str, Asked]:
        if self._job.source is not None:
            return self._job.source.of(ids)
        prompts = self._job.phrases.of(samples)
        return {sample_id: Asked(prompts=each) for sample_id, each in prompts.items()}

    def _looks(self, asked: Asked, image: str | None) -> dict[str, Look]:
        """What decides the labels of a sample, in each field."""
        keys = {
            name: self._work_keys.key(asked.prompts, output.name, self._job.masks_on_disk)
            for name, output in self._job.outputs.items()
        }
        return {name: Look(key=key, image=image) for name, key in keys.items()}

    def _still_wanted(self, looks: dict[str, Look], state: dict[str, Held]) -> dict[str, Look]:
        """The looks that are worth it; the sample is counted where none is."""
        needs = {name: state[name].need(look) for name, look in looks.items()}
        if "wanted" not in needs.values():
            if "left alone" in needs.values():
                self._run.left_alone += 1
            else:
                self._run.reused += 1
        return {name: look for name, look in looks.items() if needs[name] == "wanted"}
