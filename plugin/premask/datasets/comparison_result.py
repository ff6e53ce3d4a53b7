"""What two sets of labels held side by side gave, whichever way they were compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from premask.datasets.matched_images import MatchedImage, known_numbers

Row = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class ComparisonResult:
    """A row for each class, what was taken for what, and the images.

    `confusion` has the other side's classes in rows and this side's in columns, both as in
    `labels`, and at last what has no partner. `notes` are what a reader of the numbers has to know.
    `images` are those that differ the most first; their objects are read when they are asked for,
    so the files have to stay.
    """

    classes: list[Row] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: Sequence[MatchedImage] = ()

    def as_json(self) -> Row:
        """All of it for programs; numbers that there are none of are None."""
        return {
            "classes": known_numbers(self.classes),
            "labels": self.labels,
            "confusion": self.confusion,
            "notes": self.notes,
            "images": [image.as_json() for image in self.images],
        }
