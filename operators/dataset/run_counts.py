"""How often a run found each class, and how sure its models were."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fiftyone import ViewField

from .chosen_images import all_images
from .history import Run
from .writing import OUTPUTS

BINS = 20
"""Of scores from 0 to 1."""

_CLASSES_SCORED = 8
"""More colors than this are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts by class, the most frequent one first; and of each, how many scores are in each bin.

    Classes without a score have none in `scores`.
    """

    counts: dict[str, int] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)


def tally(dataset: Any, run: Run) -> Tally:
    """Count the labels of a run that are still there."""
    place = label_field_of(dataset, run)
    if place is None:
        return Tally()
    view = labels_of_run(dataset, run, place)
    path = f"{place}.{OUTPUTS[run.fields[place]].member}"
    names, scores = view.values([f"{path}.label", f"{path}.confidence"], unwind=True)
    counts = dict(Counter(str(name) for name in names).most_common())
    by_class: dict[str, list[float]] = {name: [] for name in list(counts)[:_CLASSES_SCORED]}
    for name, score in zip(names, scores, strict=True):
        if score is not None and str(name) in by_class:
            by_class[str(name)].append(score)
    return Tally(
        counts=counts, scores={name: _binned(each) for name, each in by_class.items() if each}
    )


def label_field_of(dataset: Any, run: Run) -> str | None:
    """The first of the run's fields that has several labels an image; maps have no classes."""
    fields = (name for name, kind in run.fields.items() if OUTPUTS[kind].member)
    return next((name for name in fields if dataset.has_field(name)), None)


def labels_of_run(dataset: Any, run: Run, place: str) -> Any:
    """The images with labels of this run in this field, and no others of its labels."""
    return all_images(dataset).filter_labels(place, ViewField("premask_run") == run.name)


def _binned(scores: list[float]) -> list[int]:
    counts: list[int] = np.histogram(scores, bins=BINS, range=(0, 1))[0].tolist()
    return counts
