"""Frames of a file beside what the database has there, and which of their objects are the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bson import ObjectId

from premask.annotations import Annotation, Labeled
from premask.masks import Size

from ..dataset.bulk_store import Document
from ..dataset.reading import Found, Reader
from ..dataset.track_numbers import Identity, identity_of
from .coco_import import Shown, what_is_shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFrame:
    """One frame of a file, and what the field has there: what is shown, and of which object.

    `fresh` is what the field does not show yet.
    """

    index: int
    labeled: Labeled
    size_hw: Size
    holder: Document | None
    shown: Mapping[Shown, Identity]
    fresh: Sequence[Annotation]

    @classmethod
    def of(
        cls, index: int, labeled: Labeled, holder: Document | None, read: Reader, size_hw: Size
    ) -> ImportedFrame:
        found = Found()
        if holder is not None:
            read(found, holder, size_hw)
        labels = (holder or {}).get("detections") or ()
        pairs = zip(found.annotations, labels, strict=True)
        shown = {what_is_shown(one): identity_of(label) for one, label in pairs}
        return cls(
            index=index,
            labeled=labeled,
            size_hw=size_hw,
            holder=holder,
            shown=shown,
            fresh=[one for one in labeled.annotations if what_is_shown(one) not in shown],
        )


@dataclass(slots=True)
class ImportedObjects:
    """The objects of one clip: whose index and Instance each track of the file has.

    They `have_keyframes` if the file tells of any.
    """

    have_keyframes: bool = False
    _identities: dict[tuple[int, str], Identity] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)

    def join(self, frame: ImportedFrame) -> None:
        """A track is an object that the field has already, if a label there shows the same."""
        self._taken |= {one.index for one in frame.shown.values() if one.index is not None}
        for one in frame.labeled.annotations:
            self.have_keyframes |= one.keyframe
            known = frame.shown.get(what_is_shown(one))
            if one.track is not None and known is not None:
                self._identities.setdefault((one.track, one.label), known)

    def of(self, annotation: Annotation) -> Identity:
        """What the labels of its track say of themselves; its number, unless that is taken."""
        if annotation.track is None:
            return Identity(annotation.label, None, None)
        key = annotation.track, annotation.label
        if key not in self._identities:
            index = annotation.track
            if index in self._taken:
                index = next(number for number in itertools.count(1) if number not in self._taken)
            self._taken.add(index)
            self._identities[key] = Identity(annotation.label, index, str(ObjectId()))
        return self._identities[key]
