"""How often a run found each class, and how sure its models were."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fiftyone import ViewField

from .chosen_images import all_images
from .history import Run
from .reading import member_path
from .signed_fields import signed_fields

BINS = 20
"""Into which scores from 0 to 1 are sorted."""

_CLASSES_SCORED = 8
"""People can't tell more colors than this apart in a plot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Counts by class, the most frequent one first; and of each, how many scores are in each bin.

    Classes without a score have none in `scores`.
    """

    counts: dict[str, int] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)


def count_labels(dataset: Any, run: Run) -> RunCounts:
    """Count the labels of a run that are still there."""
    place = label_field_of(dataset, run)
    if place is None:
        return RunCounts()
    view = labels_of_run(dataset, run, place)
    path = member_path(view, place)
    names, scores = view.values([f"{path}.label", f"{path}.confidence"], unwind=True)
    counts = dict(Counter(str(name) for name in names).most_common())
    by_class: dict[str, list[float]] = {name: [] for name in list(counts)[:_CLASSES_SCORED]}
    for name, score in zip(names, scores, strict=True):
        if score is not None and str(name) in by_class:
            by_class[str(name)].append(score)
    binned = {
        name: np.histogram(found, bins=BINS, range=(0, 1))[0].tolist()
        for name, found in by_class.items()
        if found
    }
    return RunCounts(counts=counts, scores=binned)


def label_field_of(dataset: Any, run: Run) -> str | None:
    """The first field that holds several labels an image, some of them the run's.

    It may have another name by now than the run gave it. Maps have no classes to count.
    """
    fields = signed_fields(dataset, run.name)
    return next((name for name, output in fields.items() if output.member), None)


def labels_of_run(dataset: Any, run: Run, place: str) -> Any:
    """The images with labels of this run in this field, and no others of its labels."""
    return all_images(dataset).filter_labels(place, ViewField("premask_run") == run.name)
