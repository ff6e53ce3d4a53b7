"""The score of a whole prediction, by which Label Studio orders tasks: low ones come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from premask.labels.label_studio.regions import annotations_from_regions
from premask.shaping.doubt import least_sure

NOTHING_KNOWN = 0.5
"""The score of a prediction that has no regions, or only boxes without scores. What is there was
found by nobody, so its task comes behind those with doubtful objects and before those with sure
ones. Without any score it would come first where Label Studio keeps its data in SQLite, and last in
PostgreSQL."""


def prediction_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """How sure the least sure region is: its score, or else how stable its mask is.

    It is read from what Label Studio keeps, so that it can be computed again at any time.
    """
    scores = [float(region["score"]) for region in regions if region.get("score") is not None]
    # To decode brushes takes time, and those with a score need not be looked at.
    unscored = [region for region in regions if region.get("score") is None]
    stability = least_sure(annotations_from_regions(unscored))
    known = scores if stability is None else [*scores, stability]
    return min(known, default=NOTHING_KNOWN)
