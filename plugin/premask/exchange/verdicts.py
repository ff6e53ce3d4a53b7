"""Whose word counts where two hosts may both have changed a label since they last agreed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from premask.annotations import Annotation

Verdict = Literal["same", "take", "delete", "conflict"]

TOLERANCE = 0.01
"""In pixels. Boxes go through percent and back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """How a label was in both hosts when they last agreed; empty where it was not there."""

    here: str
    there: str


def verdict_of(agreed: Agreed, *, here: str, there: str) -> Verdict:
    """What to do here about a label, from how it is `here` and `there` now.

    >>> verdict_of(Agreed(here="a", there="A"), here="a", there="B")
    'take'
    >>> verdict_of(Agreed(here="a", there="A"), here="b", there="A")
    'same'
    >>> verdict_of(Agreed(here="a", there="A"), here="b", there="")
    'conflict'
    """
    if there == agreed.there or not (here or there):
        return "same"
    if here != agreed.here:
        return "conflict"
    return "take" if there else "delete"


def same_shape(one: Annotation, other: Annotation) -> bool:
    """Whether two annotations have the same pixels, or boxes as good as the same."""
    if one.mask is not None or other.mask is not None:
        return one.mask == other.mask
    pairs = zip(one.box_xyxy, other.box_xyxy, strict=True)
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)
