"""cgF1, SA-Co's measure for phrases: is it there at all, and if so, is each one found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from premask.evaluation.average_precision import THRESHOLDS

LEAST_SCORE = 0.5
"""What is less sure counts as not found; the score is part of the task."""

# SAM 3's own evaluation adds them to what it divides by, and so gives these numbers.
_TINY, _TINIER = 1e-4, 1e-6


@dataclass(slots=True)
class PhraseCounts:
    """Collects one phrase in one image after the other, among them those that are not there.

    `hits` (t,) are at each of the thresholds of the IoU; `found_there` are objects found for
    phrases that are there. `yes` and `no` are phrases rightly found or rightly not found.
    """

    hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(THRESHOLDS), np.int64))
    true: int = 0
    found_there: int = 0
    yes: int = 0
    no: int = 0
    false_yes: int = 0
    false_no: int = 0

    def add(self, ious: NDArray[np.float64]) -> None:
        """Count a phrase by the IoUs (n, m) of what was found for it with what is true."""
        found, true = ious.shape
        self.true += true
        self.yes += bool(found and true)
        self.no += not found and not true
        self.false_yes += bool(found and not true)
        self.false_no += bool(true and not found)
        if found and true:
            self.found_there += found
            best = ious[linear_sum_assignment(-ious)]
            self.hits += (best[:, None] >= THRESHOLDS).sum(axis=0)

    def summary(self) -> dict[str, float]:
        """The cgF1, and its factors: F1 where the phrase is there, and MCC of whether it is."""
        f1 = self._positive_f1()
        return {
            "cgF1": float(np.mean(f1)) * self._mcc(),
            "cgF1@50": float(f1[0]) * self._mcc(),
            "cgF1@75": float(f1[5]) * self._mcc(),
            "positive micro F1": float(np.mean(f1)),
            "image-level MCC": self._mcc(),
        }

    def _positive_f1(self) -> NDArray[np.float64]:
        precision = self.hits / (self.found_there + _TINY)
        recall = self.hits / (self.true + _TINY)
        return np.asarray(2 * precision * recall / (precision + recall + _TINY))

    def _mcc(self) -> float:
        found, true = self.yes + self.false_yes, self.yes + self.false_no
        not_found, not_true = self.no + self.false_no, self.no + self.false_yes
        spread = math.sqrt(float(found) * true * not_true * not_found)
        return (self.yes * self.no - self.false_yes * self.false_no) / (spread + _TINIER)
