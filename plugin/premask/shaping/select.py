"""Which of the objects? Pure functions on annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import box_area, pixel_box, shared_areas
from premask.masks import Mask, Size
from premask.settings import setting

Annotations = tuple[Annotation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Which annotations to hand on, in the order of these fields.

    An annotation without a score is never dropped for its score; where scores are compared, it
    counts as 0. Bounds are inclusive.
    """

    labels: tuple[str, ...] = setting((), "keep these labels; none keeps all")
    min_score: float | None = setting(None, "lowest score", minimum=0, maximum=1)
    max_score: float | None = setting(None, "highest score", minimum=0, maximum=1)
    min_area: float | None = setting(
        None, "smallest area of the mask (of the box if there is none), in pixels", minimum=0
    )
    max_area: float | None = setting(
        None, "largest area of the mask (of the box if there is none), in pixels", minimum=0
    )
    min_width: float | None = setting(None, "smallest width of the box, in pixels", minimum=0)
    max_width: float | None = setting(None, "largest width of the box, in pixels", minimum=0)
    min_height: float | None = setting(None, "smallest height of the box, in pixels", minimum=0)
    max_height: float | None = setting(None, "largest height of the box, in pixels", minimum=0)
    min_x: float | None = setting(None, "least x of the box's center, in pixels", minimum=0)
    max_x: float | None = setting(None, "greatest x of the box's center, in pixels", minimum=0)
    min_y: float | None = setting(None, "least y of the box's center, in pixels", minimum=0)
    max_y: float | None = setting(None, "greatest y of the box's center, in pixels", minimum=0)
    contains: tuple[float, float] | None = setting(
        None, "keep what holds this point: the mask, or the box if there is none; in pixels"
    )
    nms: float | None = setting(
        None, "drop what overlaps a better one by more than this share", minimum=0, maximum=1
    )
    nms_by: str = setting("box", "what has to overlap", choices=("box", "mask"))
    nms_measure: str = setting(
        "iou",
        "the shared area as a share of both together (iou) or of the smaller one (ios)",
        choices=("iou", "ios"),
    )
    nms_across_labels: bool = setting(False, "let a better one of another label count, too")
    sort: str = setting(
        "none",
        "put in this order; x and y are the box's center, none keeps the model's order",
        choices=("none", "score", "area", "width", "height", "x", "y"),
    )
    descending: bool = setting(True, "sort the greatest first")
    top: int | None = setting(None, "keep this many from the beginning", minimum=1)
    index: int | None = setting(
        None, "keep only the one at this place, from 0; a negative place counts from the end"
    )
    remaining: bool = setting(False, "hand on what was not selected instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All annotations, in two: `kept` as sorted, `remaining` in the order in which they came."""

    kept: Annotations
    remaining: Annotations


def chosen(annotations: Sequence[Annotation], settings: Select) -> Annotations:
    """The half of the selection that the settings ask for."""
    selection = select(annotations, settings)
    return selection.remaining if settings.remaining else selection.kept


def select(annotations: Sequence[Annotation], settings: Select) -> Selection:
    """Part the annotations into those that pass all settings, and the remaining ones."""
    kept = _within_bounds(with_labels(annotations, settings.labels), settings)
    if settings.contains is not None:
        kept = holding(kept, settings.contains)
    if settings.nms is not None:
        kept = without_duplicates(
            kept,
            settings.nms,
            by=settings.nms_by,
            measure=settings.nms_measure,
            across_labels=settings.nms_across_labels,
        )
    if settings.sort != "none":
        kept = ordered(kept, MEASURES[settings.sort], descending=settings.descending)
    kept = kept[: settings.top]
    if settings.index is not None:
        kept = at(kept, settings.index)
    return Selection(kept=kept, remaining=_others(annotations, kept))


def score(annotation: Annotation) -> float | None:
    """The model's own score, 0 to 1, or None where it gives none."""
    return annotation.score


def area(annotation: Annotation) -> float:
    """Pixels of the mask, or of the box where there is no mask."""
    mask = annotation.mask
    return box_area(annotation.box_xyxy) if mask is None else mask.area


def width(annotation: Annotation) -> float:
    """Width of the box in pixels."""
    return annotation.box_xyxy[2] - annotation.box_xyxy[0]


def height(annotation: Annotation) -> float:
    """Height of the box in pixels."""
    return annotation.box_xyxy[3] - annotation.box_xyxy[1]


def center_x(annotation: Annotation) -> float:
    """Pixels from the image's left border to the center of the box."""
    return (annotation.box_xyxy[0] + annotation.box_xyxy[2]) / 2


def center_y(annotation: Annotation) -> float:
    """Pixels from the image's upper border to the center of the box."""
    return (annotation.box_xyxy[1] + annotation.box_xyxy[3]) / 2


Measure = Callable[[Annotation], float | None]

MEASURES: dict[str, Measure] = {
    "score": score,
    "area": area,
    "width": width,
    "height": height,
    "x": center_x,
    "y": center_y,
}


def with_labels(annotations: Sequence[Annotation], labels: Sequence[str]) -> Annotations:
    """Keep the annotations of these labels; of all labels when there are none."""
    return tuple(found for found in annotations if not labels or found.label in labels)


def between(
    annotations: Sequence[Annotation], measure: Measure, low: float | None, high: float | None
) -> Annotations:
    """Keep what measures `low` to `high`, both inclusive, and what has no such measure."""
    if low is None and high is None:
        return tuple(annotations)
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    measured = ((found, measure(found)) for found in annotations)
    return tuple(found for found, value in measured if value is None or low <= value <= high)


def holding(annotations: Sequence[Annotation], point_xy: tuple[float, float]) -> Annotations:
    """Keep the annotations whose mask, or box where there is no mask, holds the point."""
    return tuple(found for found in annotations if _holds(found, point_xy))


def without_duplicates(
    annotations: Sequence[Annotation],
    threshold: float,
    *,
    by: str = "box",
    measure: str = "iou",
    across_labels: bool = False,
) -> Annotations:
    """Drop what overlaps a better one of its label by more than the threshold (greedy NMS).

    The better one has the higher score, then the larger area, then came first. By "mask", an
    annotation without a mask counts as all of its box. What stays keeps its order.
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
    """The highest IoU (n,) of each annotation with any of the others; 0 if there are none.

    Masks are compared with masks, and boxes with what has only a box.
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


def ordered(
    annotations: Sequence[Annotation], measure: Measure, *, descending: bool = True
) -> Annotations:
    """Sort by a measure; equal ones keep their order, and what has no such measure counts as 0."""
    return tuple(sorted(annotations, key=lambda found: measure(found) or 0, reverse=descending))


def at(annotations: Sequence[Annotation], index: int) -> Annotations:
    """Keep the annotation at this place, if there is one; negative places count from the end."""
    count = len(annotations)
    return (annotations[index],) if -count <= index < count else ()


def _within_bounds(kept: Annotations, settings: Select) -> Annotations:
    kept = between(kept, score, settings.min_score, settings.max_score)
    kept = between(kept, area, settings.min_area, settings.max_area)
    kept = between(kept, width, settings.min_width, settings.max_width)
    kept = between(kept, height, settings.min_height, settings.max_height)
    kept = between(kept, center_x, settings.min_x, settings.max_x)
    return between(kept, center_y, settings.min_y, settings.max_y)


def _others(annotations: Sequence[Annotation], kept: Annotations) -> Annotations:
    """What was not kept. Equal annotations are told apart: two equal ones may be two objects."""
    places = Counter(id(found) for found in kept)
    others = []
    for found in annotations:
        if places[id(found)]:
            places[id(found)] -= 1
        else:
            others.append(found)
    return tuple(others)


def _holds(annotation: Annotation, point_xy: tuple[float, float]) -> bool:
    x, y = point_xy
    if annotation.mask is not None:
        column, row = int(np.floor(x)), int(np.floor(y))
        return bool(annotation.mask.crop((column, row, column + 1, row + 1)).any())
    x0, y0, x1, y1 = annotation.box_xyxy
    return x0 <= x < x1 and y0 <= y < y1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """What NMS compares: boxes (n, 4), or masks in their tight boxes; areas (n,) in pixels."""

    boxes_xyxy: NDArray[np.float64]
    areas: NDArray[np.float64]
    masks: list[Mask]

    @classmethod
    def of(cls, annotations: Sequence[Annotation], by: str) -> _Shapes:
        """The shapes of annotations; boxes if none has a mask."""
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
            met = np.flatnonzero(shared)
            shared[met] = self.masks[one].shared([self.masks[other] for other in others[met]])
        own, theirs = self.areas[one], self.areas[others]
        whole = np.minimum(own, theirs) if measure == "ios" else own + theirs - shared
        return np.asarray(shared / np.maximum(whole, 1e-9))  # what has no area shares none


def _solid(annotation: Annotation, size_hw: Size) -> Mask:
    """The mask, or all of the box."""
    if annotation.mask is not None:
        return annotation.mask
    x0, y0, x1, y1 = pixel_box(annotation.box_xyxy, size_hw)
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), size_hw)
