"""Two sets of labels of the same images side by side: who is whose partner, and who has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.evaluation.objects import Flags, Floats, ObjectTable, Places
from premask.evaluation.overlaps import Overlaps, mask_ious
from premask.shaping.overlap import best_overlaps


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTables:
    """n objects on one side and m on the other, each with its partner's place there, or -1.

    A partner may be of another class. `ious` (n,) are 0 without a partner. Objects that are
    `ignored` (n,) or `crowds` (m,) are neither right nor wrong.
    """

    ones: ObjectTable
    others: ObjectTable
    partners: Places
    other_partners: Places
    ious: Floats
    ignored: Flags

    @property
    def same_class(self) -> Flags:
        """Which of the n have a partner of their own class."""
        known = self.partners >= 0
        classes = self.others.classes[self.partners] if len(self.others) else -1
        return known & (classes == self.ones.classes)

    @property
    def alone(self) -> Flags:
        """Which of the n only this side has."""
        return (self.partners < 0) & ~self.ignored

    @property
    def others_alone(self) -> Flags:
        """Which of the m only the other side has."""
        return (self.other_partners < 0) & ~self.others.crowds

    def disagreements(self, images: int) -> Floats:
        """For each image 1 less the mean IoU, where what differs or is alone has an IoU of 0.

        0 if both sides have nothing.
        """
        counted = ~self.ignored
        agreed = np.where(self.same_class, self.ious, 0.0)
        sums = np.bincount(self.ones.images[counted], agreed[counted], minlength=images)
        objects = np.bincount(self.ones.images[counted], minlength=images)
        objects = objects + np.bincount(self.others.images[self.others_alone], minlength=images)
        return np.where(objects > 0, 1 - sums / np.maximum(objects, 1), 0.0)

    def confusion(self, class_count: int) -> NDArray[np.int64]:
        """How many objects (c + 1, c + 1) of each other class (row) are which class (column) here.

        The last row and column are for what has no partner.
        """
        table = np.zeros((class_count + 1, class_count + 1), np.int64)
        met = self.partners >= 0
        np.add.at(table, (self.others.classes[self.partners[met]], self.ones.classes[met]), 1)
        np.add.at(table[-1], self.ones.classes[self.alone], 1)
        np.add.at(table[:, -1], self.others.classes[self.others_alone], 1)
        return table


def compare_tables(ones: ObjectTable, others: ObjectTable, pairs: Overlaps) -> ComparedTables:
    """Make partners of the pairs, the highest IoU first, and those of the same class before all.

    What lies on a crowd of its class and has no partner is ignored.
    """
    same = ones.classes[pairs.found] == others.classes[pairs.true]
    crowds = others.crowds[pairs.true]
    partners = np.full(len(ones), -1, np.int64)
    other_partners = np.full(len(others), -1, np.int64)
    ious = np.zeros(len(ones))
    for place in np.lexsort((-pairs.ious, ~same)).tolist():
        one, other = pairs.found[place], pairs.true[place]
        if partners[one] < 0 and other_partners[other] < 0 and not crowds[place]:
            partners[one], other_partners[other], ious[one] = other, one, pairs.ious[place]
    ignored = np.zeros(len(ones), np.bool_)
    ignored[pairs.found[crowds & same]] = True
    return ComparedTables(
        ones=ones,
        others=others,
        partners=partners,
        other_partners=other_partners,
        ious=ious,
        ignored=ignored & (partners < 0),
    )


def disagreement(annotations: Sequence[Annotation], others: Sequence[Annotation]) -> float:
    """How far the object that fits worst is from an IoU of 1 with its best match on the other side.

    1 if one side has an object that the other has nothing for; 0 if both have none.
    """
    masks = [found.mask for found in annotations]
    other_masks = [found.mask for found in others]
    if None in masks or None in other_masks:
        matches = (*best_overlaps(annotations, others), *best_overlaps(others, annotations))
        return 1 - float(min(matches, default=1.0))
    if not masks or not other_masks:
        return float(bool(masks or other_masks))
    ious = mask_ious(masks, other_masks)
    return 1 - float(min(ious.max(axis=0).min(), ious.max(axis=1).min()))
