"""Which object that was found is which true one, by COCO's rules; precision at each recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from premask.evaluation.average_precision import (
    MOST_FOUND,
    RECALLS,
    match_overlaps,
    precision_curve,
    ranks_in_groups,
)
from premask.evaluation.overlaps import NO_OVERLAPS, Overlaps, joined


class Match(NamedTuple):
    """Places of the object that was found and of the true one; None where there is no partner."""

    found: int | None
    true: int | None
    iou: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageObjects:
    """The n objects found in an image, the m true ones, and their IoUs (n, m).

    A crowd among the true ones may be matched with several objects that were found.
    """

    found_labels: Sequence[str]
    scores: Sequence[float | None]
    true_labels: Sequence[str]
    crowds: Sequence[bool]
    ious: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionCurves:
    """For t IoU thresholds and c classes: precision and score (t, c, 101) at each of `RECALLS`.

    `recall` (t, c) is the highest there is. All are -1 for classes without true objects.
    """

    classes: list[str]
    precision: NDArray[np.float64]
    scores: NDArray[np.float64]
    recall: NDArray[np.float64]


def match_objects(image: ImageObjects, threshold: float) -> list[Match]:
    """Match objects of the same class, the surest first, each with the best that is left.

    The IoU must reach the threshold. Objects without a score come last.
    """
    matches = []
    for label in dict.fromkeys((*image.true_labels, *image.found_labels)):
        found = [place for place, name in enumerate(image.found_labels) if name == label]
        true = [place for place, name in enumerate(image.true_labels) if name == label]
        found.sort(key=lambda place: image.scores[place] or -1, reverse=True)
        true.sort(key=lambda place: image.crowds[place])
        taken: set[int] = set()
        for place in found:
            best = _best(image, place, [t for t in true if t not in taken], threshold)
            if best is None:
                matches.append(Match(place, None, None))
                continue
            if not image.crowds[best]:
                taken.add(best)
            matches.append(Match(place, best, float(image.ious[place, best])))
        matched = {match.true for match in matches}
        matches += [Match(None, place, None) for place in true if place not in matched]
    return matches


def precision_curves(
    images: Sequence[ImageObjects], thresholds: Sequence[float]
) -> PrecisionCurves:
    """Precision by recall as COCO's mean average precision needs it; all objects need a score."""
    names = sorted({name for i in images for name in (*i.found_labels, *i.true_labels)})
    places = {name: place for place, name in enumerate(names)}
    found = np.array([places[name] for i in images for name in i.found_labels], np.int64)
    true = np.array([places[name] for i in images for name in i.true_labels], np.int64)
    crowds = np.array([crowd for i in images for crowd in i.crowds], np.bool_)
    scores = np.array([score or 0.0 for i in images for score in i.scores], np.float64)
    owners = np.repeat(np.arange(len(images)), [len(image.found_labels) for image in images])
    ranks = ranks_in_groups(owners * len(names) + found, scores)
    pairs = _pairs(images)
    counted = (found[pairs.found] == true[pairs.true]) & (ranks[pairs.found] < MOST_FOUND)
    least = np.array(thresholds, np.float64)
    matched = match_overlaps(
        pairs.only(counted), ranks, crowds=crowds, ignored=crowds, thresholds=least
    )
    ignored = (matched >= 0) & crowds[matched] if len(crowds) else matched >= 0
    shape = len(thresholds), len(names), len(RECALLS)
    precision, at, recall = -np.ones(shape), -np.ones(shape), -np.ones(shape[:2])
    totals = np.bincount(true[~crowds], minlength=len(names))
    for place in np.flatnonzero(totals).tolist():
        chosen = np.flatnonzero((found == place) & (ranks < MOST_FOUND))
        hits = matched[:, chosen] >= 0
        count = int(totals[place])
        curve = precision_curve(scores[chosen], hits, ignored[:, chosen], count, extra=0)
        precision[:, place], at[:, place] = curve.precision, curve.scores
        recall[:, place] = curve.recall
    return PrecisionCurves(classes=names, precision=precision, scores=at, recall=recall)


def _pairs(images: Sequence[ImageObjects]) -> Overlaps:
    """All pairs with some overlap, by their places among the objects of all images."""
    parts, found, true = [NO_OVERLAPS], 0, 0
    for image in images:
        rows, columns = np.nonzero(image.ious)
        parts.append(Overlaps(rows + found, columns + true, image.ious[rows, columns]))
        found += len(image.found_labels)
        true += len(image.true_labels)
    return joined(parts)


def _best(image: ImageObjects, found: int, true: Sequence[int], threshold: float) -> int | None:
    """The true object with the highest IoU; a crowd only if nothing else reaches the threshold."""
    best, least = None, threshold
    for place in true:
        if best is not None and image.crowds[place] and not image.crowds[best]:
            break
        if 0 < image.ious[found, place] >= least:
            best, least = place, float(image.ious[found, place])
    return best
