"""The objects of all images as numbers, and which of them overlap; their masks are let go of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from premask.datasets.image_pairs import ImagePairs, tables_of
from premask.evaluation.objects import Floats, ObjectTable, joined_tables
from premask.evaluation.overlaps import MASK, NO_OVERLAPS, Overlaps, edge_ious, joined, overlaps


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPairs:
    """Both sides' objects, without their masks, and pairs that overlap, by what is compared.

    `MASK` is there only if all objects have one. `edges` are the boundary IoUs of its pairs, if
    they were asked for.
    """

    ones: ObjectTable
    others: ObjectTable
    overlaps: dict[str, Overlaps]
    edges: Floats | None
    unmasked: tuple[int, int]


def measured_pairs(
    pairs: ImagePairs,
    classes: dict[str, int],
    *,
    by: Sequence[str],
    least: float,
    edges: bool = False,
    on_image: Callable[[], None] | None = None,
) -> MeasuredPairs:
    """Go through all images, with the masks of a few in memory; new labels get the next class."""
    work = Measuring(by=list(by), least=least, with_edges=edges)
    for batch in pairs.batches():
        work.add(*tables_of(batch, classes), len(batch))
        if on_image is not None:
            for _ in batch:
                on_image()
    return work.measured()


@dataclass(slots=True, kw_only=True)
class Measuring:
    """Takes the objects of some images after the other, and keeps of them what is measured."""

    by: list[str]
    least: float
    with_edges: bool = False
    images: list[int] = field(default_factory=list)
    ones: list[ObjectTable] = field(default_factory=list)
    others: list[ObjectTable] = field(default_factory=list)
    found: dict[str, list[Overlaps]] = field(default_factory=dict)
    edges: list[Floats] = field(default_factory=list)
    unmasked: tuple[int, int] = (0, 0)

    def add(self, ones: ObjectTable, others: ObjectTable, images: int) -> None:
        self.unmasked = self.unmasked[0] + ones.unmasked, self.unmasked[1] + others.unmasked
        if MASK in self.by and any(self.unmasked):
            self.by.remove(MASK)
        first, other_first = sum(map(len, self.ones)), sum(map(len, self.others))
        for by in self.by:
            met = overlaps(ones, others, by=by, least=self.least)
            if by == MASK and self.with_edges:
                self.edges.append(edge_ious(met, ones, others))
            moved = Overlaps(met.found + first, met.true + other_first, met.ious)
            self.found.setdefault(by, [NO_OVERLAPS]).append(moved)
        self.images.append(images)
        self.ones.append(ones.without_masks())
        self.others.append(others.without_masks())

    def measured(self) -> MeasuredPairs:
        ones, others = (joined_tables(side, self.images) for side in (self.ones, self.others))
        if MASK in self.by and not (len(ones) and len(others)):
            self.by.remove(MASK)
        has_edges = self.with_edges and MASK in self.by
        return MeasuredPairs(
            ones=ones,
            others=others,
            overlaps={by: joined(self.found[by]) for by in self.by},
            edges=np.concatenate(self.edges) if has_edges else None,
            unmasked=self.unmasked,
        )
