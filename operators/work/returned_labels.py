"""The labels of one sample after people worked on them, each change in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

import fiftyone as fo
from bson import ObjectId

from premask.annotations import Annotation
from premask.exchange.records import ReturnedLabel, ReturnedSample
from premask.exchange.verdicts import Agreed, same_shape, verdict_of
from premask.labels.fiftyone import annotation_from_detection, detection_from_annotation
from premask.masks import Size

from ..dataset.provenance import PEOPLE, attribute, content_seal

Preferred = Literal["neither", "fiftyone", "label-studio"]

AGREED = f"{PEOPLE}agreed"
"""By label: how it was here, and what was said of it there, when both were the same last; and
whether it was drawn there."""

_DRAWN = "drawn"


@dataclass(slots=True)
class Merged:
    """What goes into the field; no holder where nothing changes."""

    holder: Any = None
    counts: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)


class SaidOfSample:
    """Puts what people said of a sample's labels beside what FiftyOne has of them now."""

    def __init__(
        self, said: ReturnedSample, holder: Any, computed: Set[str], preferred: Preferred
    ) -> None:
        self._said, self._computed, self._preferred = said, computed, preferred
        self._is_new = holder is None
        self._holder = fo.Detections() if holder is None else holder
        self._labels = {label.id: label for label in self._holder.detections}
        self._agreed: dict[str, list[str]] = dict(attribute(holder, AGREED) or {})
        self._merged = Merged()
        self._changed = self._is_new

    def merged(self) -> Merged:
        """Apply each label's verdict."""
        for said in (*self._said.labels, *self._withdrawn()):
            kind = self._apply(said)
            self._merged.counts[kind] += 1
            self._changed |= kind in ("corrected", "new", "deleted", "accepted")
        if self._changed:
            self._holder.detections = list(self._labels.values())
            self._holder[AGREED] = self._agreed
            self._merged.holder = self._holder
        return self._merged

    def _withdrawn(self) -> list[ReturnedLabel]:
        """Labels that an annotation had drawn before, and the one that counts now has not."""
        said = {label.id for label in self._said.labels}
        return [
            ReturnedLabel(id=name, is_new=True, seal="", sent="", said="", annotation=None)
            for name, (_, there, origin) in self._agreed.items()
            if origin == _DRAWN and there and name not in said
        ]

    def _apply(self, said: ReturnedLabel) -> str:
        label = self._labels.get(said.id)
        here = content_seal(label, self._computed) if label else ""
        known = self._agreed.get(said.id) or [said.seal, said.sent, ""]
        agreed = Agreed(here=_of_content(known[0], said), there=known[1])
        verdict = verdict_of(agreed, here=_of_content(here, said), there=said.said)
        is_settled = self._preferred == "fiftyone" or self._is_as_said(said, label)
        if verdict == "conflict" and is_settled:
            self._agree(said, here)
            return "unchanged"
        if verdict == "conflict" and self._preferred == "label-studio":
            verdict = "take" if said.said else "delete"
        if verdict == "conflict":
            self._tell(said, label)
            return "conflict"
        if verdict == "same":
            return self._accepted(said, label, here == known[0])
        return self._delete(said) if verdict == "delete" else self._take(said, label)

    def _take(self, said: ReturnedLabel, label: Any) -> str:
        assert said.annotation is not None
        assert self._said.size_hw is not None
        kind = "new" if label is None else "corrected"
        if label is None:
            fields = detection_from_annotation(_by_people(said.annotation), self._said.size_hw)
            label = fo.Detection.from_dict(
                fo.Detection(**fields).to_dict() | {"_id": ObjectId(said.id)}
            )
            self._labels[said.id] = label
        else:
            _correct(label, said.annotation, self._said.size_hw)
        for name, value in said.attributes.items():
            if value is not None or attribute(label, name) is not None:
                label[name] = value
        self._stamp(label)
        self._agree(said, content_seal(label, self._computed))
        return kind

    def _delete(self, said: ReturnedLabel) -> str:
        self._labels.pop(said.id, None)
        self._agree(said, "")
        return "deleted"

    def _accepted(self, said: ReturnedLabel, label: Any, is_as_agreed: bool) -> str:
        """A person saw it and left it: then it is theirs, too."""
        if label is None or not said.said or not is_as_agreed or self._is_stamped(label):
            return "unchanged"
        self._stamp(label)
        return "accepted"

    def _stamp(self, label: Any) -> None:
        label[f"{PEOPLE}annotator"] = self._said.annotator
        label[f"{PEOPLE}updated_at"] = moment(self._said.updated_at)
        label[f"{PEOPLE}task"] = self._said.task

    def _is_stamped(self, label: Any) -> bool:
        names = ("annotator", "updated_at")
        known = [attribute(label, f"{PEOPLE}{name}") for name in names]
        return known == [self._said.annotator, moment(self._said.updated_at)]

    def _agree(self, said: ReturnedLabel, here: str) -> None:
        self._agreed[said.id] = [here, said.said, _DRAWN if said.is_new else ""]
        self._changed = True

    def _is_as_said(self, said: ReturnedLabel, label: Any) -> bool:
        """Whether both made the same change."""
        if label is None or said.annotation is None or self._said.size_hw is None:
            return label is None and said.annotation is None
        own = _annotation_of(label, self._said.size_hw)
        attributes = (attribute(label, name) == value for name, value in said.attributes.items())
        same = own.label == said.annotation.label and same_shape(own, said.annotation)
        return same and all(attributes)

    def _tell(self, said: ReturnedLabel, label: Any) -> None:
        there = "corrected" if said.said else "deleted"
        here = "changed" if label is not None else "deleted"
        name = label.label if label is not None else said.annotation and said.annotation.label
        self._merged.conflicts.append(
            f"label {said.id} ({name}) was {there} in Label Studio (task {self._said.task}) by "
            f"{self._said.annotator}, and {here} in FiftyOne since"
        )


def moment(text: str) -> datetime:
    """A time of Label Studio as the database keeps it: UTC, in thousandths of a second."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if when.tzinfo is not None:
        when = when.astimezone(timezone.utc).replace(tzinfo=None)
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def _correct(label: Any, annotation: Annotation, size_hw: Size) -> None:
    """Change what is different; a mask that is not the model's any more has not its score."""
    own = _annotation_of(label, size_hw)
    if own.label != annotation.label:
        label.label = annotation.label
        label.confidence = None
    if not same_shape(own, annotation):
        fields = detection_from_annotation(_by_people(annotation), size_hw)
        label.bounding_box = fields["bounding_box"]
        # A file of the old mask may belong to other fields, too: it stays as it is.
        label.mask, label.mask_path = fields.get("mask"), None
        label.confidence = None


def _annotation_of(label: Any, size_hw: Size) -> Annotation:
    pixels = label.get_mask() if label.has_mask else None
    return annotation_from_detection(
        {"bounding_box": label.bounding_box, "label": label.label, "mask": pixels}, size_hw
    )


def _by_people(annotation: Annotation) -> Annotation:
    return Annotation(label=annotation.label, box_xyxy=annotation.box_xyxy, mask=annotation.mask)


def _of_content(seal: str, said: ReturnedLabel) -> str:
    """Without the tags, which a correction leaves alone, and a deletion would not."""
    return seal.partition(".")[0] if said.said else seal
