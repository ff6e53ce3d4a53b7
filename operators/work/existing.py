"""What to do about labels that are there already: a person's are never touched, nor doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

from premask.annotations import Annotation, Labeled
from premask.geometry import Box, holds_center
from premask.shaping.overlap import apart_from

from ..dataset.bulk_store import Document
from ..dataset.holders import holders_of
from ..dataset.provenance import (
    IMAGE,
    KEY,
    Look,
    computed_attributes,
    is_replaceable,
    look_at,
)
from ..dataset.reading import SampleLabels, read_labels
from ..dataset.writing import Output, Place

SKIP, ADD, REPLACE = "skip", "add", "replace"

POLICIES = {
    SKIP: "Leave samples alone that have labels in the field",
    ADD: "Add what overlaps none of them",
    REPLACE: "Replace what premask wrote and nobody touched since; add what overlaps no other",
}

Need = Literal["wanted", "done", "left alone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which of `POLICIES` holds; what overlaps by more than `overlap` (IoU) is the same object."""

    name: str = SKIP
    overlap: float = 0.5

    def kept(self, labels: Sequence[Any], computed: Set[str]) -> list[Any]:
        """Return the labels that stay, whatever is found.

        `computed` attributes are those of `computed_attributes`.
        """
        if self.name != REPLACE:
            return list(labels)
        return [label for label in labels if not is_replaceable(label, computed)]


REPLACING = Policy(name=REPLACE)
"""Holds, whatever was chosen, where the image is another one than the labels were made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one sample has in the field, as far as that decides whether to look at it."""

    look: Look
    is_filled: bool
    is_replaceable: bool

    def need(self, look: Look) -> Need:
        """Whether to look at the sample, or why not."""
        if self.look == look:
            return "done"
        return "left alone" if self.is_filled and not self.is_replaceable else "wanted"


def held(
    samples: Any, field: str, output: Output, policy: Policy, images: Mapping[str, str | None]
) -> dict[str, Held]:
    """Ask the database what each sample has in a field.

    `images` are the versions of the image files that there are now, by the samples' ids.
    """
    # Only the names of labels: their masks may be large.
    names = ".".join(filter(None, (field, output.member, "id")))
    paths = ["id", f"{field}.{KEY}", f"{field}.{IMAGE}", names]
    rows = list(zip(*samples.values(paths), strict=True))
    looks = {sample_id: Look(key=key or "", image=image) for sample_id, key, image, _ in rows}
    filled = {sample_id for sample_id, _, _, labels in rows if labels}
    replaceable = filled
    # With the other policies there is room for more in a list of labels, but not for a second map.
    if output.member is None or policy.name == SKIP:
        outdated = {name for name in filled if looks[name].is_outdated(images[name])}
        doubtful = filled if policy.name == REPLACE else outdated
        holders = holders_of(samples.select(list(doubtful)), field) if doubtful else {}
        computed = computed_attributes(samples)
        replaceable = {
            sample_id
            for sample_id, holder in holders.items()
            if not REPLACING.kept(output.labels_of(holder), computed)
        }
    return {
        name: Held(look=look, is_filled=name in filled, is_replaceable=name in replaceable)
        for name, look in looks.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What goes into the field of a sample, and how many annotations are new in it."""

    holder: Document | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What a few samples have in one field: as FiftyOne has it, and read as annotations.

    A field that `is_own` was made by a run, not by a person.
    """

    output: Output
    policy: Policy
    holders: Mapping[str, Any]
    read_labels: Mapping[str, SampleLabels]
    computed: Set[str]
    is_own: bool

    @classmethod
    def read(
        cls, samples: Any, field: str, output: Output, policy: Policy, *, is_own: bool
    ) -> Existing:
        holders = holders_of(samples, field)
        filled = [name for name, holder in holders.items() if output.labels_of(holder)]
        # A map is replaced or left alone, so nobody needs to know what is in it.
        is_compared = bool(filled) and output.member is not None
        read = read_labels(samples.select(filled), [field]) if is_compared else ()
        return cls(
            output=output,
            policy=policy,
            holders=holders,
            read_labels={labels.sample_id: labels for labels in read},
            computed=computed_attributes(samples),
            is_own=is_own,
        )

    def merged(
        self,
        sample_id: str,
        labeled: Labeled,
        place: Place,
        look: Look,
        places: Sequence[Box] | None = None,
    ) -> Merged | None:
        """Put what was found beside what the sample has; None if that leaves no room for it.

        With `places`, only there it was looked, and whatever the policy, labels elsewhere stay.
        """
        holder = self.holders[sample_id]
        if self.output.part is not None:
            labeled = self.output.part(labeled, place)
        labels = self.output.labels_of(holder)
        if look_at(holder).is_outdated(look.image):
            kept = REPLACING.kept(labels, self.computed)
        else:
            replaced = {label.id for label in labels}
            replaced -= {label.id for label in self.policy.kept(labels, self.computed)}
            if replaced and places is not None and self.output.member is not None:
                replaced &= self._labels_in(sample_id, places)
            kept = [label for label in labels if label.id not in replaced]
        if kept and (self.output.member is None or self.policy.name == SKIP):
            return None
        known = self._annotations(sample_id, kept) if kept else []
        fresh = apart_from(labeled.annotations, known, self.policy.overlap)
        if holder is None and not fresh and self.output.member and not self.is_own:
            # An empty list would say in a person's name that somebody has looked.
            return Merged(holder=None, count=0)
        new = self.output.labels(replace(labeled, annotations=fresh), place)
        signature = place.stamp.on_holder(look, new=holder is None)
        written = [*(label.to_dict() for label in kept), *new]
        return Merged(holder=self.output.holder_of(written, holder) | signature, count=len(fresh))

    def _labels_in(self, sample_id: str, places: Sequence[Box]) -> set[str]:
        """The labels of the sample whose center is in one of these boxes."""
        read = self._read(sample_id)
        pairs = zip(read.label_ids, read.labeled.annotations, strict=True)
        return {
            label_id
            for label_id, annotation in pairs
            if any(holds_center(box, annotation.box_xyxy) for box in places)
        }

    def _annotations(self, sample_id: str, labels: Sequence[Any]) -> list[Annotation]:
        """Return these labels of the sample as annotations; raise if they can't be read."""
        read = self._read(sample_id)
        wanted = {label.id for label in labels}
        pairs = zip(read.label_ids, read.labeled.annotations, strict=True)
        return [annotation for label_id, annotation in pairs if label_id in wanted]

    def _read(self, sample_id: str) -> SampleLabels:
        read = self.read_labels[sample_id]
        if read.labeled.error is not None:
            raise read.labeled.error
        return read
