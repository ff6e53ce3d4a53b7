"""What to do about labels that are there already: a person's are never touched, nor doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from premask.annotations import Annotation, Labeled
from premask.shaping.overlap import apart_from

from ..dataset.bulk_store import Document
from ..dataset.provenance import IMAGE, KEY, Look, is_replaceable, look_at
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

    def kept(self, labels: Sequence[Any]) -> list[Any]:
        """The labels that stay."""
        if self.name != REPLACE:
            return list(labels)
        return [label for label in labels if not is_replaceable(label)]


REPLACING = Policy(name=REPLACE)
"""What holds, whatever was chosen, for labels that show another image than there is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one sample has in the field, as far as that decides whether to look at it."""

    look: Look
    is_filled: bool
    is_replaceable: bool

    def need(self, look: Look) -> Need:
        """Whether to look: not twice in the same way, nor where labels are in the way."""
        if self.look == look:
            return "done"
        return "left alone" if self.is_filled and not self.is_replaceable else "wanted"


def held(
    samples: Any, field: str, output: Output, policy: Policy, images: Mapping[str, str | None]
) -> dict[str, Held]:
    """What each sample has in the field, by its id; `images` are the versions there are now."""
    # Only the names of labels: their masks may be large.
    names = ".".join(filter(None, (field, output.member, "id")))
    paths = ["id", f"{field}.{KEY}", f"{field}.{IMAGE}", names]
    rows = list(zip(*samples.values(paths), strict=True))
    looks = {sample_id: Look(key=key or "", image=image) for sample_id, key, image, _ in rows}
    filled = {sample_id for sample_id, _, _, labels in rows if labels}
    replaceable = filled
    if output.member is None or policy.name == SKIP:
        outdated = {each for each in filled if looks[each].is_outdated(images[each])}
        doubtful = filled if policy.name == REPLACE else outdated
        replaceable = _without_a_person_s(samples, field, output, doubtful)
    return {
        name: Held(look=look, is_filled=name in filled, is_replaceable=name in replaceable)
        for name, look in looks.items()
    }


def _without_a_person_s(samples: Any, field: str, output: Output, ids: set[str]) -> set[str]:
    """Those of the samples in which all labels may be replaced."""
    return {
        sample_id
        for sample_id, holder in holders_of(samples.select(list(ids)), field).items()
        if not REPLACING.kept(output.labels_of(holder))
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
        holders = holders_of(samples, field)
        filled = [sample_id for sample_id, each in holders.items() if output.labels_of(each)]
        return cls(
            field=field,
            output=output,
            policy=policy,
            holders=holders,
            known=_known(samples, field, filled) if output.member else {},
        )

    def merged(self, sample_id: str, labeled: Labeled, place: Place, look: Look) -> Merged | None:
        """What the sample is to have in the field; None if what it has leaves no room."""
        existing, labeled = self.holders[sample_id], self.output.part(labeled, place)
        is_outdated = look_at(existing).is_outdated(look.image)
        kept = (REPLACING if is_outdated else self.policy).kept(self.output.labels_of(existing))
        if kept and (self.output.member is None or self.policy.name == SKIP):
            return None
        fresh = apart_from(labeled.annotations, self._read(sample_id, kept), self.policy.overlap)
        new = self.output.labels(replace(labeled, annotations=fresh), place)
        labels = [*(each.to_dict() for each in kept), *new]
        holder = self.output.holder_of(labels, existing)
        signature = place.stamp.on_holder(look, new=existing is None)
        return Merged(holder=holder | signature, count=len(fresh))

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

    holder: Document
    count: int


def holders_of(samples: Any, field: str) -> dict[str, Any]:
    """What each sample has in the field, by its id."""
    return dict(zip(*samples.values(["id", field]), strict=True))


def _known(samples: Any, field: str, filled: Sequence[str]) -> dict[str, SampleLabels]:
    """The labels of the samples that have any."""
    if not filled:
        return {}
    return {each.sample_id: each for each in read_labels(samples.select(filled), [field])}
