"""FiftyOne's keypoints, and labels that are there already, as hints where the objects are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.fiftyone.fields import pixel_points
from premask.masks import Size
from premask.prompts import Hint, Point

NEGATIVE = "negative"
"""The label of a keypoint whose points are on none of the objects."""

SIGNS = ("positive", "sam_labels", "sam2_labels")
"""Attributes of a keypoint that say of each point whether it is on the object; FiftyOne's own SAM
reads the last two."""


def points_from_keypoint(fields: Mapping[str, Any], size_hw: Size) -> tuple[Point, ...]:
    """Read a keypoint's points as clicks on one object, but for those that are missing (NaN)."""
    label, points = fields.get("label") or "", fields.get("points") or ()
    signs = next((fields[name] for name in SIGNS if fields.get(name)), [True] * len(points))
    if len(signs) != len(points):
        raise InvalidMask(
            f"it has {len(points)} points, but says of {len(signs)} whether they are on the object"
        )
    known = [pair for pair in zip(points, signs, strict=True) if all(map(math.isfinite, pair[0]))]
    places = pixel_points([point for point, _ in known], size_hw)
    return tuple(
        Point(x=x, y=y, positive=bool(positive), label=label)
        for (x, y), (_, positive) in zip(places, known, strict=True)
    )


def hints_from_clicks(clicks: Sequence[Sequence[Point]]) -> Iterator[Hint]:
    """One hint for each keypoint that has points; the negative ones hold for all others."""
    beside = [
        replace(point, positive=False)
        for points in clicks
        for point in points
        if point.label == NEGATIVE
    ]
    for track, points in enumerate(clicks):
        if points and points[0].label != NEGATIVE:
            yield Hint(label=points[0].label, points=(*points, *beside), track=track)


def hint_from_annotation(annotation: Annotation, track: int | None = None) -> Hint:
    """What a label says about where its object is; what is made of the hint has its `track`."""
    return Hint(
        label=annotation.label,
        box_xyxy=annotation.box_xyxy,
        mask=annotation.mask,
        score=annotation.score,
        track=track,
        source=annotation.source,
    )
