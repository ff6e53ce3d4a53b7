"""In which fields the labels of a run are by now: fields are renamed and cloned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiftyone as fo

from .chosen_images import all_images
from .provenance import RUN
from .reading import MEMBERS, readable_fields
from .writing import OUTPUTS, Output

_BY_KIND = {output.label_type.__name__: output for output in reversed(OUTPUTS.values())}


def signed_fields(dataset: Any, run: str) -> dict[str, Output]:
    """The fields in which samples have labels of this run, and how these fields hold labels.

    Where the run has looked and found nothing, the field counts too.
    """
    images, found = all_images(dataset), {}
    for field, kind in readable_fields(dataset).items():
        paths = (f"{field}.{RUN}", f"{field}.{MEMBERS.get(kind)}.{RUN}")
        signed = {"$match": {"$or": [{path: run} for path in paths]}}
        if len(images.mongo([signed, {"$limit": 1}])):
            found[field] = _BY_KIND.get(kind) or _holding(kind)
    return found


def _holding(kind: str) -> Output:
    """How a type that premask does not write holds labels, such as that of a saved patches view."""
    label_type, member = getattr(fo, kind), MEMBERS.get(kind)
    return replace(OUTPUTS["detections"], name=kind, label_type=label_type, member=member)
