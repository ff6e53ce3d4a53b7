"""How much annotations overlap: duplicates are dropped, and what others have found is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import box_area, pixel_box, shared_areas
from premask.masks import Mask, Size

Annotations = tuple[Annotation, ...]


def without_duplicates(
    annotations: Sequence[Annotation],
    threshold: float,
    *,
    by: str = "box",
    measure: str = "iou",
    across_labels: bool = False,
) -> Annotations:
    """Drop what overlaps a better one of its label by more than the threshold (greedy NMS).

    The better one is the one with the higher score; of equal scores, the larger one, and then the
    one that came first. When masks are compared (`by="mask"`), an annotation without a mask counts
    as all of its box. What is kept stays in its order.
    """
    shapes = _Shapes.of(annotations, by)
    names = ["" if across_labels else found.label for found in annotations]
    labels = np.unique(np.array(names, np.str_), return_inverse=True)[1]
    scores = np.array([found.score or 0 for found in annotations], np.float64)
    best_first = np.lexsort((-shapes.areas, -scores))
    alive = np.ones(len(annotations), np.bool_)
    for place, best in enumerate(best_first):
        if alive[best]:
            rivals = best_first[place + 1 :]
            rivals = rivals[alive[rivals] & (labels[rivals] == labels[best])]
            alive[rivals[shapes.overlap(best, rivals, measure) > threshold]] = False
    return tuple(compress(annotations, alive))


def apart_from(
    annotations: Sequence[Annotation], others: Sequence[Annotation], threshold: float
) -> Annotations:
    """Keep the annotations whose IoU with each of the others is at most the threshold."""
    if not others:
        return tuple(annotations)
    return tuple(compress(annotations, best_overlaps(annotations, others) <= threshold))


def best_overlaps(
    annotations: Sequence[Annotation], others: Sequence[Annotation]
) -> NDArray[np.float64]:
    """For n annotations the highest IoU (n,) with any of the others; 0 if there are no others.

    Masks are compared with masks. Where the other one has only a box, boxes are compared.
    """
    best: NDArray[np.float64] = np.zeros(len(annotations))
    for by, rivals in (
        ("mask", [found for found in others if found.mask is not None]),
        ("box", [found for found in others if found.mask is None]),
    ):
        if not rivals:
            continue
        shapes = _Shapes.of((*annotations, *rivals), by)
        places = np.arange(len(annotations), len(annotations) + len(rivals))
        nearest = [shapes.overlap(one, places, "iou").max(initial=0) for one in range(len(best))]
        best = np.maximum(best, nearest)
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """What is compared: boxes (n, 4) or, if there are any, masks; and areas (n,) in pixels."""

    boxes_xyxy: NDArray[np.float64]
    areas: NDArray[np.float64]
    masks: list[Mask]

    @classmethod
    def of(cls, annotations: Sequence[Annotation], by: str) -> _Shapes:
        """The shapes of annotations: by "mask" their masks, unless none of them has one."""
        sizes = {found.mask.size_hw for found in annotations if found.mask is not None}
        masks: list[Mask] = []
        if by == "mask" and sizes:
            masks = [_solid(found, min(sizes)) for found in annotations]
        boxes = [found.box_xyxy for found in (masks or annotations)]
        areas = [float(mask.area) for mask in masks] or [box_area(box) for box in boxes]
        return cls(
            boxes_xyxy=np.array(boxes, np.float64).reshape(-1, 4),
            areas=np.array(areas, np.float64),
            masks=masks,
        )

    def overlap(self, one: int, others: NDArray[np.intp], measure: str) -> NDArray[np.float64]:
        """Shared area (n,) as a share of the union ("iou") or of the smaller area ("ios")."""
        shared = shared_areas(self.boxes_xyxy[one], self.boxes_xyxy[others])
        if self.masks:
            # Only masks whose boxes meet can have pixels in common.
            met = np.flatnonzero(shared)
            shared[met] = self.masks[one].shared([self.masks[other] for other in others[met]])
        own, theirs = self.areas[one], self.areas[others]
        whole = np.minimum(own, theirs) if measure == "ios" else own + theirs - shared
        return np.asarray(shared / np.maximum(whole, 1e-9))  # 0 where both areas are 0


def _solid(annotation: Annotation, size_hw: Size) -> Mask:
    if annotation.mask is not None:
        return annotation.mask
    x0, y0, x1, y1 = pixel_box(annotation.box_xyxy, size_hw)
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), size_hw)
