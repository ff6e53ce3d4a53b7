"""Panoptic quality (Kirillov et al., 2019): how well objects that share no pixel are found."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from premask.evaluation.objects import TableRow
from premask.masks import Mask


@dataclass(slots=True)
class PanopticCounts:
    """One class: pairs with an IoU above a half, and what has no partner."""

    ious: float = 0.0
    hits: int = 0
    false: int = 0
    missed: int = 0

    @property
    def segmentation_quality(self) -> float:
        """The mean IoU of the pairs (SQ)."""
        return self.ious / self.hits if self.hits else 0.0

    @property
    def recognition_quality(self) -> float:
        """F1 of finding the objects (RQ)."""
        half = self.hits + (self.false + self.missed) / 2
        return self.hits / half if half else 0.0

    @property
    def quality(self) -> float:
        half = self.hits + (self.false + self.missed) / 2
        return self.ious / half if half else 0.0


@dataclass(slots=True)
class PanopticQuality:
    """Collects image by image; pixels that no true object covers are void, and count for nobody."""

    classes: dict[str, PanopticCounts] = field(default_factory=dict)

    def add(self, found: Sequence[TableRow], true: Sequence[TableRow]) -> None:
        """Count one image; objects of a side that overlap are made disjoint, the surest first."""
        rows, truths = _disjoint(found), _disjoint(true)
        shared = _shared([mask for _, mask in rows], [mask for _, mask in truths])
        areas = np.array([mask.area for _, mask in rows], np.float64)
        void = areas - shared.sum(axis=1)
        matched, taken = set(), set()
        for place, other in np.argwhere(shared > 0).tolist():
            (row, _), (truth, mask), both = rows[place], truths[other], shared[place, other]
            iou = float(both / (areas[place] + mask.area - both - void[place]))
            # Above a half there can't be a second one, as no two share a pixel.
            if iou > 0.5 and truth.label == row.label and not truth.crowd:
                self._of(row.label).hits += 1
                self._of(row.label).ious += iou
                matched.add(place)
                taken.add(other)
        for other, (truth, _) in enumerate(truths):
            if other not in taken and not truth.crowd:
                self._of(truth.label).missed += 1
        for place, (row, _) in enumerate(rows):
            crowds = [truth.crowd and truth.label == row.label for truth, _ in truths]
            uncounted = void[place] + shared[place, np.array(crowds, np.bool_)].sum()
            if place not in matched and uncounted <= areas[place] / 2:
                self._of(row.label).false += 1

    def summary(self, among: Container[str] | None = None) -> dict[str, float]:
        """PQ, SQ and RQ: means over the classes that there are, or over some of them."""
        chosen = [of for label, of in self.classes.items() if among is None or label in among]
        counted = [of for of in chosen if of.hits + of.false + of.missed]
        return {
            "PQ": _mean([of.quality for of in counted]),
            "SQ": _mean([of.segmentation_quality for of in counted]),
            "RQ": _mean([of.recognition_quality for of in counted]),
        }

    def _of(self, label: str) -> PanopticCounts:
        return self.classes.setdefault(label, PanopticCounts())


def _disjoint(rows: Sequence[TableRow]) -> list[tuple[TableRow, Mask]]:
    """What is left of each mask by those with a higher score; empty ones are left out."""
    masked = [(row, row.mask) for row in rows if row.mask is not None and row.mask.area]
    masked.sort(key=lambda pair: -1.0 if pair[0].score is None else pair[0].score, reverse=True)
    kept: list[tuple[TableRow, Mask]] = []
    for row, mask in masked:
        met = [other for _, other in kept if mask.shared([other])[0]] if kept else []
        rest = mask.difference(*met) if met else mask
        if rest.area:
            kept.append((row, rest))
    return kept


def _shared(masks: Sequence[Mask], truths: Sequence[Mask]) -> NDArray[np.float64]:
    if not masks or not truths:
        return np.zeros((len(masks), len(truths)))
    return np.array([mask.shared(truths) for mask in masks], np.float64)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else -1.0
