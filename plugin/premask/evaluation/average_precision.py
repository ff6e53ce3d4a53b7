"""COCO's average precision and recall, equal to pycocotools' to the last digit (docs/adr/0012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from premask.evaluation.objects import Flags, Floats, ObjectTable, Places
from premask.evaluation.overlaps import Overlaps

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10, dtype=np.float64)
"""Of the IoU, from which on a found object is a hit."""

RECALLS: Floats = np.linspace(0, 1, 101, dtype=np.float64)
"""Where COCO samples precision."""

MOST_FOUND = 100
"""So many objects of a class in an image count, those with the highest scores."""

SIZES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Least and largest area in pixels."""

_EXTRA = float(np.spacing(1))
"""What COCO adds to the number of found objects: its highest precision is a hair below 1."""

_CLOSE_TO_ONE = 1 - 1e-10  # what is computed can be a hair below 1 where all pixels agree


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """For t thresholds and n found objects, the place of the true one (t, n), or -1.

    `ignored` are found objects that are neither right nor wrong: those on a crowd, and those of
    another size that are not on an object of the size that is looked at.
    """

    true: Places
    ignored: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """For t thresholds: precision and score (t, 101) at each of `RECALLS`, and recall (t,)."""

    precision: Floats
    scores: Floats
    recall: Floats


def ranks_in_groups(groups: Places, scores: Floats) -> Places:
    """The place (n,) of each object in its group, from the highest score down; NaN comes last."""
    order = np.lexsort((-np.nan_to_num(scores, nan=-np.inf), groups))
    ordered = groups[order]
    first = np.searchsorted(ordered, ordered, side="left")
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - first
    return ranks


def match_overlaps(
    pairs: Overlaps,
    ranks: Places,
    *,
    crowds: Flags,
    ignored: Flags,
    thresholds: Floats = THRESHOLDS,
) -> Places:
    """The true object (t, n) of each found one, or -1, by COCO's rules.

    The surest of a group chooses first, of what is left and not ignored the one with the highest
    IoU, and of what is ignored only if there is nothing else. A crowd is never used up. Groups
    don't meet in the pairs: so all that have the same rank choose at once.
    """
    matched = np.full((len(thresholds), len(ranks)), -1, np.int64)
    taken = np.zeros((len(thresholds), len(crowds)), np.bool_)
    least = np.minimum(thresholds, _CLOSE_TO_ONE)[:, None]
    # The best choice of each found object first; of equal ones COCO takes the last.
    order = np.lexsort((-pairs.true, -pairs.ious, ignored[pairs.true], pairs.found))
    order = order[np.argsort(ranks[pairs.found[order]], kind="stable")]
    sorted_pairs = pairs.only(order)
    round_of = ranks[sorted_pairs.found]
    bounds = np.searchsorted(round_of, np.arange(int(round_of.max(initial=-1)) + 2))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        found, true = sorted_pairs.found[first:last], sorted_pairs.true[first:last]
        free = ~taken[:, true] | crowds[true]
        rows, places = np.nonzero((sorted_pairs.ious[first:last] >= least) & free)
        chooser = rows * len(ranks) + found[places]
        best = np.diff(chooser, prepend=-1) != 0
        rows, places = rows[best], places[best]
        matched[rows, found[places]] = true[places]
        taken[rows, true[places]] = True
    return matched


def matches_of_size(
    found: ObjectTable, true: ObjectTable, pairs: Overlaps, ranks: Places, size: str = "all"
) -> Matches:
    """Match within classes, and say what does not count for objects of this size."""
    least, most = SIZES[size]
    other_size = (true.areas < least) | (true.areas > most)
    ignored = true.crowds | other_size
    matched = match_overlaps(pairs, ranks, crowds=true.crowds, ignored=ignored)
    strange = (found.areas < least) | (found.areas > most)
    is_matched = matched >= 0
    if not len(true):
        return Matches(true=matched, ignored=np.broadcast_to(strange, matched.shape))
    return Matches(true=matched, ignored=np.where(is_matched, ignored[matched], strange))


def precision_curve(
    scores: Floats, hits: Flags, ignored: Flags, true_count: int, *, extra: float = _EXTRA
) -> Curve:
    """Precision by recall of n found objects of a class; hits and ignored are (t, n).

    The n come image by image: of equal scores, the first one counts first.
    """
    order = np.argsort(-scores, kind="mergesort")
    counts = ~ignored[:, order]
    right = np.cumsum(hits[:, order] & counts, axis=1).astype(float)
    wrong = np.cumsum(~hits[:, order] & counts, axis=1).astype(float)
    recall = right / true_count
    seen = wrong + right + extra
    precise = right / np.where(seen > 0, seen, 1)
    precise = np.maximum.accumulate(precise[:, ::-1], axis=1)[:, ::-1]
    shape = len(hits), len(RECALLS)
    precision, at = np.zeros(shape), np.zeros(shape)
    for row in range(len(hits)):
        places = np.searchsorted(recall[row], RECALLS, side="left")
        reached = places < len(order)
        precision[row, reached] = precise[row, places[reached]]
        at[row, reached] = scores[order][places[reached]]
    last = recall[:, -1] if len(order) else np.zeros(len(hits))
    return Curve(precision=precision, scores=at, recall=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePrecision:
    """For s sizes, t thresholds and c classes, all -1 for classes without true objects.

    `precision` is (s, t, 101, c), `recall` (s, t, c) with at most 100 found objects of a class in
    an image; `recall_of` (t, c) is the one of all sizes with at most 1, 10 and 100. The order of
    the axes is COCO's: the last digit of a mean depends on the order of its numbers.
    """

    precision: Floats
    recall: Floats
    recall_of: dict[int, Floats]

    def mean(self, *, threshold: float | None = None, size: str = "all") -> float:
        """Mean average precision over classes, and over thresholds unless one is given."""
        return _mean(self._at(self.precision[_row_of(size)], threshold))

    def mean_recall(self, *, most: int = MOST_FOUND, size: str = "all") -> float:
        recall = self.recall_of[most] if size == "all" else self.recall[_row_of(size)]
        return _mean(recall)

    def of_class(self, place: int, *, threshold: float | None = None, size: str = "all") -> float:
        return _mean(self._at(self.precision[_row_of(size)], threshold)[..., place])

    def summary(self) -> dict[str, float]:
        """COCO's twelve numbers, in its order; -1 where there is nothing of the kind."""
        return {
            "AP": self.mean(),
            "AP50": self.mean(threshold=0.5),
            "AP75": self.mean(threshold=0.75),
            "APs": self.mean(size="small"),
            "APm": self.mean(size="medium"),
            "APl": self.mean(size="large"),
            "AR1": self.mean_recall(most=1),
            "AR10": self.mean_recall(most=10),
            "AR100": self.mean_recall(),
            "ARs": self.mean_recall(size="small"),
            "ARm": self.mean_recall(size="medium"),
            "ARl": self.mean_recall(size="large"),
        }

    @staticmethod
    def _at(values: Floats, threshold: float | None) -> Floats:
        return values if threshold is None else values[np.isclose(THRESHOLDS, threshold)]


def average_precision(
    found: ObjectTable, true: ObjectTable, pairs: Overlaps, class_count: int
) -> AveragePrecision:
    """Precision and recall of all classes; all found objects need a score."""
    ranks = class_ranks(found, class_count)
    within = pairs.only(
        (found.classes[pairs.found] == true.classes[pairs.true]) & (ranks[pairs.found] < MOST_FOUND)
    )
    shape = len(SIZES), len(THRESHOLDS), class_count
    precision = -np.ones((*shape[:2], len(RECALLS), class_count))
    recall = -np.ones(shape)
    recall_of = {most: -np.ones(shape[1:]) for most in (1, 10, MOST_FOUND)}
    for row, (size, (least, largest)) in enumerate(SIZES.items()):
        matches = matches_of_size(found, true, within, ranks, size)
        counts = ~true.crowds & (true.areas >= least) & (true.areas <= largest)
        per_class = np.bincount(true.classes[counts], minlength=class_count)
        for place in np.flatnonzero(per_class).tolist():
            for most in recall_of if size == "all" else (MOST_FOUND,):
                chosen = np.flatnonzero((found.classes == place) & (ranks < most))
                curve = precision_curve(
                    found.scores[chosen],
                    matches.true[:, chosen] >= 0,
                    matches.ignored[:, chosen],
                    int(per_class[place]),
                )
                if size == "all":
                    recall_of[most][:, place] = curve.recall
            precision[row, :, :, place], recall[row, :, place] = curve.precision, curve.recall
    return AveragePrecision(precision=precision, recall=recall, recall_of=recall_of)


def class_ranks(found: ObjectTable, class_count: int) -> Places:
    """The rank (n,) of each found object among those of its class in its image."""
    return ranks_in_groups(found.images * class_count + found.classes, found.scores)


def _row_of(size: str) -> int:
    return list(SIZES).index(size)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(np.mean(known)) if known.size else -1.0
