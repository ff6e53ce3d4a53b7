"""Maps of classes, pixel by pixel: IoU of each class, their mean, and the share that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from premask.evaluation.objects import TableRow
from premask.masks import Mask


@dataclass(slots=True)
class PixelConfusion:
    """How many pixels of each true class are which found class, image by image.

    Pixels of no true class count for nobody. `pixels` has the pairs (true, found); where nothing
    was found, found is None.
    """

    pixels: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def add(self, found: Sequence[TableRow], true: Sequence[TableRow]) -> None:
        masks, truths = _by_class(found), _by_class(true)
        for label, truth in truths.items():
            shared = truth.shared(list(masks.values())).tolist() if masks else []
            rest = truth.area
            for other, count in zip(masks, shared, strict=True):
                self._count(label, other, count)
                rest -= count
            self._count(label, None, rest)

    @property
    def classes(self) -> list[str]:
        """The true classes, and those that were found where there is a true one."""
        return sorted({label for pair in self.pixels for label in pair if label is not None})

    def table(self) -> NDArray[np.int64]:
        """Pixels (c, c + 1): true classes in rows, found ones in columns, and nothing at last."""
        places = {label: place for place, label in enumerate(self.classes)}
        table = np.zeros((len(places), len(places) + 1), np.int64)
        for (label, other), count in self.pixels.items():
            table[places[label], len(places) if other is None else places[other]] = count
        return table

    def ious(self) -> dict[str, float]:
        """The IoU of each class over all images together."""
        table = self.table()
        right = np.diagonal(table)
        union = table.sum(axis=1) + table[:, :-1].sum(axis=0) - right
        return dict(zip(self.classes, (right / np.maximum(union, 1)).tolist(), strict=True))

    def accuracies(self) -> dict[str, float]:
        """The share of each true class's pixels that is right; -1 for one that is never true."""
        table = self.table()
        totals = table.sum(axis=1)
        shares = np.where(totals > 0, np.diagonal(table) / np.maximum(totals, 1), -1.0)
        return dict(zip(self.classes, shares.tolist(), strict=True))

    def summary(self) -> dict[str, float]:
        table = self.table()
        known = [share for share in self.accuracies().values() if share >= 0]
        return {
            "mIoU": float(np.mean(list(self.ious().values()))) if self.pixels else -1.0,
            "pixel accuracy": float(np.diagonal(table).sum() / max(1, table.sum())),
            "mean accuracy": float(np.mean(known)) if known else -1.0,
        }

    def _count(self, label: str, other: str | None, count: int) -> None:
        if count:
            self.pixels[label, other] = self.pixels.get((label, other), 0) + count


def _by_class(rows: Sequence[TableRow]) -> dict[str, Mask]:
    """One mask a class, and no pixel in two of them: the first one, or the surest, keeps it."""
    masks: dict[str, Mask] = {}
    ordered = sorted(rows, key=lambda row: -1.0 if row.score is None else row.score, reverse=True)
    for row in ordered:
        if row.mask is None:
            continue
        others = [mask for label, mask in masks.items() if label != row.label]
        own = row.mask.difference(*others) if others else row.mask
        masks[row.label] = masks[row.label].union(own) if row.label in masks else own
    return masks
