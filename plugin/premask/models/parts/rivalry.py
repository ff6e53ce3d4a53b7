"""Which of many masks surely double better ones, as far as bounds for their boxes tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from premask.geometry import Box, shared_areas

Boxes = NDArray[np.float64]
Flags = NDArray[np.bool_]

TINY = 1e-9
"""Stands for the area of nothing, by which nothing can be divided."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A mask as logits (h, w); its box lies in the box (4,) `outer`, and holds `inner`."""

    logits: torch.Tensor
    score: float
    outer: Boxes
    inner: Boxes


class Rivalry:
    """Hands out candidates, the best first, and leaves out those that lose to what is known.

    It leaves out only what `without_duplicates` would drop for certain, whatever is not known yet:
    what overlaps, by more than the threshold, a better one that no other can have dropped.
    """

    def __init__(self, candidates: Sequence[Candidate], threshold: float) -> None:
        self._threshold = threshold
        count = len(candidates)
        self._scores = np.array([candidate.score for candidate in candidates], np.float64)
        self._outer = np.array([candidate.outer for candidate in candidates]).reshape(count, 4)
        self._inner = np.array([candidate.inner for candidate in candidates]).reshape(count, 4)
        self._in_play = _areas(self._outer) > 0
        self._known = np.zeros(count, np.bool_)
        self._kept = np.zeros(count, np.bool_)
        # Of a small mask too little is known to tell that it surely doubles another one.
        known = _areas(self._inner) / np.maximum(_areas(self._outer), TINY)
        self._may_lose = known > threshold
        self._order = np.argsort(-self._scores, kind="stable")
        self._may_double = np.zeros((count, count), np.bool_)
        for place in range(count):
            self._compare(place)

    def next(self) -> list[int]:
        """The places of those whose masks must be known now; none when all is decided."""
        places = self._order[self._in_play[self._order] & ~self._known[self._order]]
        # Who has no better rival among those that are not known either need not wait for any.
        rivals = np.tril(self._may_double[np.ix_(places, places)], -1).any(axis=1)
        return [int(place) for place in places[~(rivals & self._may_lose[places])]]

    def tell(self, boxes: Mapping[int, Box | None]) -> None:
        """What became of those that were handed out: their boxes, None for what is not wanted."""
        for place, box in boxes.items():
            self._known[place] = True
            self._in_play[place] = box is not None
            if box is not None:
                self._outer[place] = self._inner[place] = box
        for place, box in boxes.items():
            if box is not None:
                self._compare(place)
        for place in np.flatnonzero(self._known & self._in_play & ~self._kept):
            if self._is_kept(place):
                self._kept[place] = True
                self._in_play &= ~self._surely_doubled_by(place)

    def _compare(self, place: int) -> None:
        """Note whom this one may double, and who may double it."""
        shared = shared_areas(self._outer[place], self._outer)
        whole = _areas(self._inner[place]) + _areas(self._inner) - shared
        double = shared / np.maximum(whole, TINY) > self._threshold
        double[place] = False
        self._may_double[place] = self._may_double[:, place] = double

    def _is_kept(self, place: np.intp) -> bool:
        """Whether nobody in play that is as good may double it."""
        return not np.any(self._in_play & self._may_double[place] & self._as_good(place))

    def _as_good(self, place: np.intp) -> Flags:
        """Who comes before this one, or may: of equal scores the larger one, and then the first."""
        areas = _areas(self._outer)
        larger, first = areas > areas[place], np.arange(len(areas)) <= place
        equals = ~self._known | larger | ((areas == areas[place]) & first)
        own = self._scores[place]
        return np.asarray((self._scores > own) | ((self._scores == own) & equals))

    def _surely_doubled_by(self, place: np.intp) -> Flags:
        """Who is worse than this one, and overlaps it whatever its own box is within its bounds."""
        shared = shared_areas(self._inner[place], self._inner)
        whole = _areas(self._outer[place]) + _areas(self._outer) - shared
        doubled = shared / np.maximum(whole, TINY) > self._threshold
        return np.asarray(doubled & ~self._as_good(place))


def _areas(boxes_xyxy: Boxes) -> Boxes:
    return np.asarray(np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None).prod(axis=-1))
