"""One image of a comparison: which objects both sides have, and which only one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from premask.datasets.image_pairs import ImagePairs
from premask.evaluation.comparison import ComparedTables
from premask.evaluation.objects import ObjectTable, TableRow
from premask.masks import Size

Json = dict[str, Any]


class Couple(NamedTuple):
    """An object on this side and its partner on the other."""

    one: TableRow
    other: TableRow
    iou: float


class _Matched(NamedTuple):
    couples: list[Couple]
    alone: tuple[TableRow, ...]
    others_alone: tuple[TableRow, ...]


class MatchedImage:
    """`agreed` are of the same class on both sides, `differing` of two; the others have nobody.

    The disagreement, 0 to 1, is 1 less the mean IoU, in which only what agreed has one. The objects
    are read from their files when they are asked for.
    """

    def __init__(self, images: MatchedImages, place: int) -> None:
        self._images, self._place = images, place
        self.name, self.size_hw = images.name_and_size(place)
        self.disagreement = images.disagreement(place)

    @property
    def agreed(self) -> tuple[Couple, ...]:
        return tuple(one for one in self._matched.couples if one.one.label == one.other.label)

    @property
    def differing(self) -> tuple[Couple, ...]:
        return tuple(one for one in self._matched.couples if one.one.label != one.other.label)

    @property
    def alone(self) -> tuple[TableRow, ...]:
        return self._matched.alone

    @property
    def others_alone(self) -> tuple[TableRow, ...]:
        return self._matched.others_alone

    def as_json(self) -> Json:
        """Names and counts, without masks."""
        own = {"image": self.name, "disagreement": self.disagreement}
        return own | self._images.told(self._place)

    @cached_property
    def _matched(self) -> _Matched:
        return self._images.matched(self._place)


class MatchedImages(Sequence[MatchedImage]):
    """All images, those that disagree the most first; of equal ones, those with more objects.

    Each is made when it is asked for, so that the masks of all are never in memory. Its place is
    the one that it has among the pairs.
    """

    def __init__(self, pairs: ImagePairs, compared: ComparedTables, labels: Sequence[str]) -> None:
        self._pairs, self._compared, self._labels = pairs, compared, labels
        count = len(pairs)
        self._disagreements = compared.disagreements(count)
        self._bounds = compared.ones.bounds(count)
        self._other_bounds = compared.others.bounds(count)
        self._alone, self._others_alone = compared.alone, compared.others_alone
        objects = np.diff(self._bounds) + np.diff(self._other_bounds)
        self._order = np.lexsort((-objects, -self._disagreements)).tolist()

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> MatchedImage: ...

    @overload
    def __getitem__(self, index: slice) -> list[MatchedImage]: ...

    def __getitem__(self, index: int | slice) -> MatchedImage | list[MatchedImage]:
        if isinstance(index, slice):
            return [MatchedImage(self, place) for place in self._order[index]]
        return MatchedImage(self, self._order[index])

    def name_and_size(self, place: int) -> tuple[str, Size]:
        _, name = self._pairs.names[place]
        return name, self._pairs.others.sizes[name]

    def disagreement(self, place: int) -> float:
        return float(self._disagreements[place])

    def told(self, place: int) -> Json:
        """Whose partner is who, by their classes, for which no file has to be read."""
        compared, (ones, others) = self._compared, self._objects(place)
        couples = [(at, int(compared.partners[at])) for at in ones if compared.partners[at] >= 0]
        agreed, differing = list[Json](), list[Json]()
        for at, partner in couples:
            label, other = self._label(compared.ones, at), self._label(compared.others, partner)
            iou = float(compared.ious[at])
            if label == other:
                agreed.append({"class": label, "iou": iou})
            else:
                differing.append({"class": label, "other": other, "iou": iou})
        return {
            "agreed": agreed,
            "differing": differing,
            "only here": [self._label(compared.ones, at) for at in ones if self._alone[at]],
            "only there": [
                self._label(compared.others, at) for at in others if self._others_alone[at]
            ],
        }

    def matched(self, place: int) -> _Matched:
        """The same with their masks."""
        compared, (one, other) = self._compared, self._pairs.at(place)
        ones, others = self._objects(place)
        rows = {at: one.rows[compared.ones.places[at]] for at in ones}
        other_rows = {at: other.rows[compared.others.places[at]] for at in others}
        return _Matched(
            couples=[
                Couple(rows[at], other_rows[partner], float(compared.ious[at]))
                for at in ones
                if (partner := int(compared.partners[at])) >= 0
            ],
            alone=tuple(rows[at] for at in ones if self._alone[at]),
            others_alone=tuple(other_rows[at] for at in others if self._others_alone[at]),
        )

    def _objects(self, place: int) -> tuple[range, range]:
        """Where in the tables the objects of an image are."""
        bounds, other_bounds = self._bounds, self._other_bounds
        return (
            range(bounds[place], bounds[place + 1]),
            range(other_bounds[place], other_bounds[place + 1]),
        )

    def _label(self, table: ObjectTable, at: int) -> str:
        return self._labels[int(table.classes[at])]


def known_numbers(value: Any) -> Any:
    """What JSON gets of numbers in lists and dicts: None for -1, which says that there is none."""
    if isinstance(value, dict):
        return {name: known_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [known_numbers(item) for item in value]
    missing = isinstance(value, float) and (value == -1 or np.isnan(value))
    return None if missing else value
