"""One image of a comparison: which objects both sides have, and which only one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from premask.datasets.image_pairs import ImagePair
from premask.evaluation.comparison import ComparedTables
from premask.evaluation.objects import TableRow
from premask.masks import Size


class Couple(NamedTuple):
    """An object on this side and its partner on the other."""

    one: TableRow
    other: TableRow
    iou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedImage:
    """`agreed` are of the same class on both sides, `differing` of two; the others have nobody.

    The disagreement, 0 to 1, is 1 less the mean IoU, in which only what agreed has one.
    """

    name: str
    size_hw: Size
    disagreement: float
    agreed: tuple[Couple, ...]
    differing: tuple[Couple, ...]
    alone: tuple[TableRow, ...]
    others_alone: tuple[TableRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Names and counts, without masks."""
        return {
            "image": self.name,
            "disagreement": self.disagreement,
            "agreed": [{"class": c.one.label, "iou": c.iou} for c in self.agreed],
            "differing": [
                {"class": c.one.label, "other": c.other.label, "iou": c.iou} for c in self.differing
            ],
            "only here": [row.label for row in self.alone],
            "only there": [row.label for row in self.others_alone],
        }


def matched_images(
    pairs: Sequence[ImagePair], compared: ComparedTables, classes: Sequence[str]
) -> list[MatchedImage]:
    """All images, those that disagree the most first; of equal ones, those with more objects."""
    count = len(pairs)
    disagreements = compared.disagreements(count)
    bounds, other_bounds = compared.ones.bounds(count), compared.others.bounds(count)
    objects = np.diff(bounds) + np.diff(other_bounds)
    return [
        _matched(
            pairs[place],
            compared,
            classes,
            range(bounds[place], bounds[place + 1]),
            range(other_bounds[place], other_bounds[place + 1]),
            float(disagreements[place]),
        )
        for place in np.lexsort((-objects, -disagreements)).tolist()
    ]


def known_numbers(value: Any) -> Any:
    """What JSON gets of numbers in lists and dicts: None for -1, which says that there is none."""
    if isinstance(value, dict):
        return {name: known_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [known_numbers(item) for item in value]
    missing = isinstance(value, float) and (value == -1 or np.isnan(value))
    return None if missing else value


def _matched(
    pair: ImagePair,
    compared: ComparedTables,
    classes: Sequence[str],
    ones: range,
    others: range,
    disagreement: float,
) -> MatchedImage:
    rows = dict(zip(ones, compared.ones.rows(ones, classes), strict=True))
    other_rows = dict(zip(others, compared.others.rows(others, classes), strict=True))
    couples = [
        Couple(rows[place], other_rows[partner], float(compared.ious[place]))
        for place in ones
        if (partner := int(compared.partners[place])) >= 0
    ]
    alone, others_alone = compared.alone, compared.others_alone
    return MatchedImage(
        name=pair[1].name,
        size_hw=pair[1].size_hw,
        disagreement=disagreement,
        agreed=tuple(couple for couple in couples if couple.one.label == couple.other.label),
        differing=tuple(couple for couple in couples if couple.one.label != couple.other.label),
        alone=tuple(rows[place] for place in ones if alone[place]),
        others_alone=tuple(other_rows[place] for place in others if others_alone[place]),
    )
