"""The select stage: which of the objects that were found are handed on, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from premask.annotations import Annotation
from premask.geometry import box_area
from premask.settings import setting
from premask.shaping.overlap import Annotations, without_duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Which annotations to hand on; the settings apply in the order of these fields.

    An annotation without a score is never dropped because of its score; where scores are compared,
    its score counts as 0. Bounds are inclusive.
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
    """Annotations in two groups: `kept` as they were sorted, `remaining` as they came."""

    kept: Annotations
    remaining: Annotations


def chosen(annotations: Sequence[Annotation], settings: Select) -> Annotations:
    """The annotations that are kept, or the remaining ones if the settings ask for these."""
    selection = select(annotations, settings)
    return selection.remaining if settings.remaining else selection.kept


def select(annotations: Sequence[Annotation], settings: Select) -> Selection:
    """Divide the annotations into those that pass all settings, and the remaining ones."""
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
    return annotation.score


def area(annotation: Annotation) -> float:
    """Pixels of the mask, or of the box where there is no mask."""
    mask = annotation.mask
    return box_area(annotation.box_xyxy) if mask is None else mask.area


def width(annotation: Annotation) -> float:
    return annotation.box_xyxy[2] - annotation.box_xyxy[0]


def height(annotation: Annotation) -> float:
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


def ordered(
    annotations: Sequence[Annotation], measure: Measure, *, descending: bool = True
) -> Annotations:
    """Sort by a measure; equal ones keep their order, and None counts as 0."""
    return tuple(sorted(annotations, key=lambda found: measure(found) or 0, reverse=descending))


def at(annotations: Sequence[Annotation], index: int) -> Annotations:
    """Keep only the annotation at this place, if there is one; -1 is the last."""
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
    # By identity, not by equality: two annotations that are equal may still be two objects.
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
