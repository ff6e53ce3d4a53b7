"""New labels made of existing ones: their class and attributes, and another place and mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.labels.fiftyone import SIGNS, detection_from_annotation

from ..dataset.bulk_store import Document
from ..dataset.source_labels import Original
from ..dataset.writing import OUTPUTS, Output, Place

_OWN = {
    "id",
    "tags",
    "confidence",
    "bounding_box",
    "mask",
    "mask_path",
    "points",
    "closed",
    "filled",
    *SIGNS,
}
"""What a label says about itself, not about the object. Tags are what a person said about it."""


def _copies(labeled: Labeled, place: Place) -> list[Document]:
    return [
        place.label(fo.Detection, _fields(each, number, labeled, place))
        for number, each in enumerate(labeled.annotations)
    ]


def _fields(annotation: Annotation, number: int, labeled: Labeled, place: Place) -> dict[str, Any]:
    original = _original(annotation, place)
    track = original.annotation.track if original.annotation else None
    path = place.file(f"_{number}") if place.on_disk else None
    placed = replace(annotation, track=track)
    return _attributes(original.label) | detection_from_annotation(
        placed, labeled.image.size_hw, path
    )


def _attributes(label: Any) -> dict[str, Any]:
    return {
        name: label[name]
        for name in label.field_names
        if name not in _OWN and not name.startswith("premask_") and label[name] is not None
    }


def _original(annotation: Annotation, place: Place) -> Original:
    assert annotation.track is not None  # every hint of a source has one
    return place.originals[annotation.track]


def _remaining(labeled: Labeled, place: Place) -> Labeled:
    kept = {each.track for each in labeled.annotations}
    annotations = tuple(
        replace(each.annotation, track=track)
        for track, each in enumerate(place.originals)
        if each.annotation is not None and track not in kept
    )
    return replace(labeled, annotations=annotations)


COPIES: Output = replace(OUTPUTS["detections"], labels=_copies)
"""A label for each annotation that came out of the stages."""

REMAINING: Output = replace(COPIES, part=_remaining)
"""A label for each that did not."""
