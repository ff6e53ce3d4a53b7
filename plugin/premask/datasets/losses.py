"""What a format has lost of the labels that were written: they are read again and compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from premask.annotations import Annotation, Labeled
from premask.masks import Mask

MOST_IMAGES = 500
"""How many images are compared: that tells a format's loss, and takes no time to speak of."""


@dataclass(slots=True, kw_only=True)
class Loss:
    """What was compared, and what of it did not come back."""

    images: int = 0
    objects: int = 0
    masks: int = 0
    iou_sum: float = 0.0
    objects_lost: int = 0
    masks_lost: int = 0
    mattes_lost: int = 0
    scores_lost: int = 0
    holes_lost: int = 0

    @property
    def mean_iou(self) -> float:
        """Over all masks that were written; 1 where everything is exact."""
        return self.iou_sum / self.masks if self.masks else 1.0

    @property
    def is_none(self) -> bool:
        lost = self.objects_lost + self.masks_lost + self.mattes_lost + self.scores_lost
        return not lost + self.holes_lost and self.iou_sum == self.masks

    def __str__(self) -> str:
        if self.is_none:
            return "nothing lost"
        # Rounded down, so that 1.000 is exact.
        parts = [f"mean IoU {int(self.mean_iou * 1000) / 1000:.3f}"] if self.masks else []
        for name in ("objects", "masks", "mattes", "scores", "holes"):
            count = getattr(self, f"{name}_lost")
            thing = name[:-1] if count == 1 else name
            parts += [f"{count:,} {thing} lost"] if count else []
        return ", ".join(parts)

    def compare(self, wanted: Iterable[Labeled], read: Iterable[Labeled]) -> Loss:
        """Count what is lost in the first images; both come in the same order."""
        by_name = {one.image.name: one for one in itertools.islice(read, MOST_IMAGES)}
        for one in itertools.islice(wanted, MOST_IMAGES):
            back = by_name.get(one.image.name)
            self.images += 1
            self._add(one.annotations, back.annotations if back is not None else ())
        return self

    def _add(self, wanted: Sequence[Annotation], read: Sequence[Annotation]) -> None:
        rest = list(read)
        for found in wanted:
            self.objects += 1
            back = _best(found, rest)
            if back is None:
                self.objects_lost += 1
            else:
                rest.remove(back)
                self.scores_lost += found.score is not None and back.score is None
                self.mattes_lost += found.matte is not None and back.matte is None
            self._add_mask(found.mask, back.mask if back is not None else None)

    def _add_mask(self, mask: Mask | None, back: Mask | None) -> None:
        if mask is None or not mask.area:
            return
        self.masks += 1
        if back == mask:
            self.iou_sum += 1
        elif back is None:
            self.masks_lost += 1
        else:
            self.iou_sum += mask.iou(back) if back.size_hw == mask.size_hw else 0.0
            self.holes_lost += max(0, _holes(mask) - _holes(back))


def _best(found: Annotation, candidates: Sequence[Annotation]) -> Annotation | None:
    """What most likely is the same object; formats without labels have empty ones."""
    alike = [one for one in candidates if one.label in ("", found.label)]
    if not alike or alike[0].mask == found.mask is not None:
        return alike[0] if alike else None
    if found.mask is None or not found.mask.area:
        return min(alike, key=lambda one: _box_distance(found, one))
    mask = found.mask
    return max(alike, key=lambda one: _overlap(mask, one.mask))


def _overlap(mask: Mask, other: Mask | None) -> float:
    return mask.iou(other) if other is not None and other.size_hw == mask.size_hw else 0.0


def _box_distance(one: Annotation, other: Annotation) -> float:
    return float(np.abs(np.subtract(one.box_xyxy, other.box_xyxy)).sum())


def _holes(mask: Mask) -> int:
    """Parts of the background that don't reach the outside."""
    background = ~np.pad(mask.crop(), 1)
    return int(ndimage.label(background)[1]) - 1
