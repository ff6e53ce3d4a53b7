"""In which fields the labels of a run are by now: fields are renamed and cloned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiftyone as fo

from .holders import holders_in
from .reading import MEMBERS, readable_fields, readable_frame_fields
from .writing import OUTPUTS, Output

_BY_KIND = {output.label_type.__name__: output for output in reversed(OUTPUTS.values())}


def signed_fields(dataset: Any, run: str) -> dict[str, Output]:
    """The fields with labels of this run, and how these fields hold labels.

    Where the run has looked and found nothing, the field counts too. Those of a video's frames have
    paths such as `frames.tracks`.
    """
    found = {}
    for field, kind in (readable_fields(dataset) | readable_frame_fields(dataset)).items():
        if holders_in(dataset, field, MEMBERS.get(kind)).has_signed(run):
            found[field] = _BY_KIND.get(kind) or _holding(kind)
    return found


def _holding(kind: str) -> Output:
    """How a type that premask does not write holds labels, such as that of a saved patches view."""
    label_type, member = getattr(fo, kind), MEMBERS.get(kind)
    return replace(OUTPUTS["detections"], name=kind, label_type=label_type, member=member)
