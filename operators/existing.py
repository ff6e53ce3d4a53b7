"""What to do about labels that are there already: a person's are never touched, nor doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from premask.annotations import Annotation, Labeled
from premask.select import apart_from

from .provenance import KEY, attribute, is_untouched
from .reading import SampleLabels, read_labels
from .writing import Output, Place

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

    def kept(self, labels: Sequence[Any]) -> list[Any]:
        """The labels that stay."""
        if self.name != REPLACE:
            return list(labels)
        return [label for label in labels if not is_untouched(label)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one sample has in the field, as far as that decides whether to look at it."""

    key: str | None
    is_filled: bool
    is_replaceable: bool

    def need(self, key: str, policy: Policy) -> Need:
        """Whether to look: not twice with the same settings, nor where labels are in the way."""
        if self.key == key:
            return "done"
        if self.is_filled and (policy.name == SKIP or not self.is_replaceable):
            return "left alone"
        return "wanted"


def held(samples: Any, field: str, output: Output, policy: Policy) -> dict[str, Held]:
    """What each sample has in the field, by the sample's id."""
    if output.member is None:
        whole = dict(zip(*samples.values(["id", field]), strict=True))
        return {
            sample_id: Held(
                key=attribute(label, KEY),
                is_filled=label is not None,
                is_replaceable=not policy.kept([label] if label else []),
            )
            for sample_id, label in whole.items()
        }
    # Only the names of what is in a list: its masks may be large.
    paths = ["id", f"{field}.{KEY}", f"{field}.{output.member}.id"]
    return {
        sample_id: Held(key=key, is_filled=bool(labels), is_replaceable=True)
        for sample_id, key, labels in zip(*samples.values(paths), strict=True)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """Puts what was found beside what is there, in one field of a few samples."""

    field: str
    output: Output
    policy: Policy
    holders: Mapping[str, Any]
    known: Mapping[str, SampleLabels]

    @classmethod
    def over(cls, samples: Any, field: str, output: Output, policy: Policy) -> Merger:
        """Read what the samples have now."""
        holders = dict(zip(*samples.values(["id", field]), strict=True))
        filled = [sample_id for sample_id, each in holders.items() if output.labels_of(each)]
        return cls(
            field=field,
            output=output,
            policy=policy,
            holders=holders,
            known=_known(samples, field, filled) if output.member else {},
        )

    def merged(self, sample_id: str, labeled: Labeled, place: Place, key: str) -> Merged | None:
        """What the sample is to have in the field; None if what it has leaves no room."""
        existing, labeled = self.holders[sample_id], self.output.part(labeled, place)
        kept = self.policy.kept(self.output.labels_of(existing))
        if kept and self.output.member is None:
            return None
        fresh = apart_from(labeled.annotations, self._read(sample_id, kept), self.policy.overlap)
        new = self.output.labels(replace(labeled, annotations=fresh), place)
        holder = self.output.holder_of([*kept, *new], existing)
        place.stamp.on_holder(holder, key, new=existing is None)
        return Merged(holder=holder, count=len(fresh))

    def _read(self, sample_id: str, labels: Sequence[Any]) -> list[Annotation]:
        """These labels of the sample as annotations, or the reason why they can't be read."""
        if not labels:
            return []
        known = self.known[sample_id]
        if known.labeled.error is not None:
            raise known.labeled.error
        wanted = {label.id for label in labels}
        pairs = zip(known.label_ids, known.labeled.annotations, strict=True)
        return [annotation for label_id, annotation in pairs if label_id in wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What goes into the field of a sample, and how many annotations are new in it."""

    holder: Any
    count: int


def _known(samples: Any, field: str, filled: Sequence[str]) -> dict[str, SampleLabels]:
    """The labels of the samples that have any."""
    if not filled:
        return {}
    return {each.sample_id: each for each in read_labels(samples.select(filled), [field])}
