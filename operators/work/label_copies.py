"""New labels made of existing ones: their class and attributes, and another place and mask."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo

from premask.annotations import Labeled
from premask.labels.fiftyone import SIGNS, detection_from_annotation

from ..dataset.bulk_store import Document
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
"""Attributes that a copy does not take over: they describe the old label, not the object.

Tags are among them: a person gave them to that label.
"""


def _copies(labeled: Labeled, place: Place) -> list[Document]:
    copies = []
    for number, annotation in enumerate(labeled.annotations):
        assert annotation.track is not None  # every hint of a source has one
        original = place.originals[annotation.track]
        attributes = {
            name: original.label[name]
            for name in original.label.field_names
            if name not in _OWN
            and not name.startswith("premask_")
            and original.label[name] is not None
        }
        # Among the stages, `track` is the number of the original; now its own track comes back.
        track = original.annotation.track if original.annotation else None
        path = place.file(f"_{number}") if place.on_disk else None
        made = detection_from_annotation(
            replace(annotation, track=track), labeled.image.size_hw, path
        )
        copies.append(place.label(fo.Detection, attributes | made))
    return copies


def _remaining(labeled: Labeled, place: Place) -> Labeled:
    kept = {annotation.track for annotation in labeled.annotations}
    annotations = tuple(
        replace(original.annotation, track=track)
        for track, original in enumerate(place.originals)
        if original.annotation is not None and track not in kept
    )
    return replace(labeled, annotations=annotations)


COPIES: Output = replace(OUTPUTS["detections"], labels=_copies)
"""Writes a label for each annotation that came out of the stages."""

REMAINING: Output = replace(COPIES, part=_remaining)
"""Writes a label for each original that did not come out of the stages."""
