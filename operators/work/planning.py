"""Which samples to look at: not twice in the same way, nor where labels must stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from premask.prompts import Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.work_keys import WorkKeys
from premask.runs.crops import Crops

from ..dataset.chosen_images import all_images
from ..dataset.chosen_labels import ChosenLabels, parts_of
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

    With a `source`, what is asked for is the labels that are there. With `patches`, the samples are
    theirs, and what is looked at is a crop of each, with a `margin`: a share of its sides.
    """

    dataset: Any
    samples: Any
    recipe: Recipe
    outputs: dict[str, Output]
    phrases: Phrases = Phrases()
    source: SourceLabels | None = None
    patches: ChosenLabels | None = None
    margin: float = 0.0
    policy: Policy = Policy()
    masks_on_disk: bool = False

    def asked(self, samples: Any, ids: Sequence[str]) -> dict[str, Asked]:
        """Say what is asked for in each of these samples."""
        if self.source is not None:
            return self.source.of(ids)
        prompts = self.phrases.of(samples)
        if self.patches is not None:
            return self._asked_of_patches(self.patches, ids, prompts)
        return {sample_id: Asked(prompts=found) for sample_id, found in prompts.items()}

    def _asked_of_patches(
        self, patches: ChosenLabels, ids: Sequence[str], prompts: Mapping[str, Prompts]
    ) -> dict[str, Asked]:
        """Ask for crops; images whose patches have been deleted are left out."""
        return {
            sample_id: Asked(
                prompts=prompts[sample_id],
                crops=Crops(Path(parts.image.name), parts.boxes, parts.image.size_hw),
                places=parts.boxes,
                error=parts.error,
            )
            for sample_id, parts in parts_of(patches, ids, self.margin).items()
            if sample_id in prompts and (parts.boxes or parts.error is not None)
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Todo:
    """A sample to look at, and how, for each field that wants it."""

    sample_id: str
    filepath: str
    asked: Asked
    looks: dict[str, Look]


def planned(job: Job, run: Run, paths: Mapping[str, str]) -> Iterator[Todo]:
    """Go through samples, given as paths by ids, and yield those that are to be looked at.

    The others (done before, left alone, not readable) are counted in the run when they are met.
    """
    # A view may hide labels that are there, so the dataset is asked what its samples have.
    everything, ids = all_images(job.dataset), list(paths)
    work_keys = WorkKeys(job.recipe)
    for first in range(0, len(ids), _AT_ONCE):
        chunk = ids[first : first + _AT_ONCE]
        samples = everything.select(chunk)
        asked = job.asked(samples, chunk)
        # Somebody may have deleted samples since the run began.
        run.deleted += len(chunk) - len(asked)
        chunk = [sample_id for sample_id in chunk if sample_id in asked]
        # Where no pixels are needed, it does not matter which image it is.
        images = {
            sample_id: None if asked[sample_id].image else version_of(paths[sample_id])
            for sample_id in chunk
        }
        state = {
            field: held(samples, field, output, job.policy, images)
            for field, output in job.outputs.items()
        }
        for sample_id in chunk:
            path, found = paths[sample_id], asked[sample_id]
            if found.error is not None:
                run.fail(path, str(found.error))
                continue
            keys = {
                field: work_keys.key(
                    found.prompts,
                    output.name,
                    job.masks_on_disk,
                    *([found.places] if found.crops else []),
                )
                for field, output in job.outputs.items()
            }
            looks = {field: Look(key=key, image=images[sample_id]) for field, key in keys.items()}
            if any(sample_id not in known for known in state.values()):
                run.deleted += 1
                continue
            wanted = _still_wanted(looks, {field: state[field][sample_id] for field in looks}, run)
            if wanted:
                yield Todo(sample_id=sample_id, filepath=path, asked=found, looks=wanted)


def _still_wanted(looks: dict[str, Look], state: dict[str, Held], run: Run) -> dict[str, Look]:
    """Choose the fields that need the sample looked at; count the sample if there is none."""
    needs = {field: state[field].need(look) for field, look in looks.items()}
    if "wanted" not in needs.values():
        if "left alone" in needs.values():
            run.left_alone += 1
        else:
            run.reused += 1
    return {field: look for field, look in looks.items() if needs[field] == "wanted"}
