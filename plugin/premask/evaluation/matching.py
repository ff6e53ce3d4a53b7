"""Which object that was found is which true one, by COCO's rules; precision at each recall."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from premask.masks import Mask

RECALLS = np.linspace(0, 1, 101)
"""Where COCO samples precision."""

MOST_FOUND = 100
"""So many objects of a class in an image count for the mean average precision, as with COCO."""


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


@dataclass(slots=True)
class _Counted:
    """The scores of what was found of one class, rightly or not, and how many objects there are."""

    hits: list[float] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)
    true: int = 0


def mask_ious(masks: Sequence[Mask], truths: Sequence[Mask]) -> NDArray[np.float64]:
    """IoU (n, m) of each mask with each true one; 0 for two empty masks."""
    if not masks or not truths:
        return np.zeros((len(masks), len(truths)))
    shared = np.array([mask.shared(truths) for mask in masks], np.float64)
    areas = np.array([mask.area for mask in masks])[:, None]
    union = areas + np.array([truth.area for truth in truths]) - shared
    return np.asarray(shared / np.maximum(union, 1))


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
    limited = [_surest(image) for image in images]
    names = sorted({name for i in limited for name in (*i.found_labels, *i.true_labels)})
    shape = len(thresholds), len(names), len(RECALLS)
    precision, scores, recall = -np.ones(shape), -np.ones(shape), -np.ones(shape[:2])
    for row, threshold in enumerate(thresholds):
        counted = _counted(limited, threshold)
        for column, name in enumerate(names):
            if counted[name].true:
                curve = _curve(counted[name])
                precision[row, column], scores[row, column], recall[row, column] = curve
    return PrecisionCurves(classes=names, precision=precision, scores=scores, recall=recall)


def _counted(images: Sequence[ImageObjects], threshold: float) -> defaultdict[str, _Counted]:
    """Sort what was found in all images into hits and misses, by class; crowds are neither."""
    counted: defaultdict[str, _Counted] = defaultdict(_Counted)
    for image in images:
        for match in match_objects(image, threshold):
            if match.true is not None and image.crowds[match.true]:
                continue
            if match.true is not None:
                counted[image.true_labels[match.true]].true += 1
            if match.found is not None:
                of_class = counted[image.found_labels[match.found]]
                scores = of_class.misses if match.true is None else of_class.hits
                scores.append(image.scores[match.found] or 0.0)
    return counted


def _best(image: ImageObjects, found: int, true: Sequence[int], threshold: float) -> int | None:
    """The true object with the highest IoU; a crowd only if nothing else reaches the threshold."""
    best, least = None, threshold
    for place in true:
        if best is not None and image.crowds[place] and not image.crowds[best]:
            break
        if 0 < image.ious[found, place] >= least:
            best, least = place, float(image.ious[found, place])
    return best


def _surest(image: ImageObjects) -> ImageObjects:
    """Leave only the `MOST_FOUND` surest objects of each class."""
    kept: list[int] = []
    for label in dict.fromkeys(image.found_labels):
        found = [place for place, name in enumerate(image.found_labels) if name == label]
        kept += sorted(found, key=lambda place: image.scores[place] or -1, reverse=True)[
            :MOST_FOUND
        ]
    kept.sort()
    return replace(
        image,
        found_labels=[image.found_labels[place] for place in kept],
        scores=[image.scores[place] for place in kept],
        ious=image.ious[kept],
    )


def _curve(
    counted: _Counted,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Precision and score at each of `RECALLS`, 0 beyond the highest recall, and that recall."""
    scores = np.array([*counted.hits, *counted.misses], np.float64)
    order = np.argsort(-scores, kind="stable")
    is_hit = np.arange(len(scores))[order] < len(counted.hits)
    found = np.cumsum(is_hit)
    # COCO takes the highest precision at this recall or a higher one.
    precise = np.maximum.accumulate((found / np.arange(1, len(scores) + 1))[::-1])[::-1]
    recall = found / counted.true
    places = np.searchsorted(recall, RECALLS, side="left")
    reached = places < len(scores)
    precision, at = np.zeros(len(RECALLS)), np.zeros(len(RECALLS))
    precision[reached], at[reached] = precise[places[reached]], scores[order][places[reached]]
    return precision, at, float(recall[-1]) if len(recall) else 0.0
