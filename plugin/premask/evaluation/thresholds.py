"""From which score on found objects are best kept: the highest F1, class by class."""

from __future__ import annotations

import numpy as np

from premask.evaluation.average_precision import class_ranks, match_overlaps
from premask.evaluation.objects import Flags, Floats, ObjectTable
from premask.evaluation.overlaps import Overlaps


def best_thresholds(
    found: ObjectTable, true: ObjectTable, pairs: Overlaps, class_count: int, iou: float
) -> Floats:
    """The score (c,) of each class, at this IoU; NaN for a class of which nothing was found."""
    same = found.classes[pairs.found] == true.classes[pairs.true]
    matched = match_overlaps(
        pairs.only(same),
        class_ranks(found, class_count),
        crowds=true.crowds,
        ignored=true.crowds,
        thresholds=np.array([iou]),
    )[0]
    on_crowd = (matched >= 0) & true.crowds[matched] if len(true) else matched >= 0
    totals = np.bincount(true.classes[~true.crowds], minlength=class_count)
    thresholds = np.full(class_count, np.nan)
    for place in np.unique(found.classes).tolist():
        chosen = (found.classes == place) & ~on_crowd
        if chosen.any():
            thresholds[place] = _best_score(
                found.scores[chosen], matched[chosen] >= 0, int(totals[place])
            )
    return thresholds


def _best_score(scores: Floats, hits: Flags, true_count: int) -> float:
    """The lowest score that is kept; of equally good ones the highest."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    f1 = 2 * right / (np.arange(1, len(scores) + 1) + true_count)
    # Objects of one score are kept or dropped together.
    last_of_score = np.append(np.diff(scores[order]) != 0, True)
    best = int(np.argmax(np.where(last_of_score, f1, -1)))
    return float(scores[order][best])
