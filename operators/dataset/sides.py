"""The two sides of a comparison: all labels of a field, those of a run in it, or of no run."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fiftyone import ViewField

from premask.annotations import Annotation
from premask.errors import InvalidSetting

from .history import all_runs
from .provenance import RUN
from .reading import MEMBERS, SampleLabels, label_kind, member_path, read_labels, readable_fields

OTHERS = "others"
"""Stands for the labels that no run of premask wrote: people's, and those of other tools."""

COMPARED = ("Detections", "Detection", "Polylines", "Polyline")
"""The types whose labels are objects, one each, that can be shown as patches."""

Pair = tuple[SampleLabels, SampleLabels]


@dataclass(frozen=True, slots=True)
class Side:
    """A field, and whose labels in it: everybody's, those of the run `by`, or of `OTHERS`."""

    field: str
    by: str = ""

    @classmethod
    def named(cls, text: str) -> Side:
        """Read 'found', 'found/premask_20261128_...' or 'found/others'."""
        field, _, by = text.partition("/")
        return cls(field, by)

    def __str__(self) -> str:
        return f"{self.field}/{self.by}" if self.by else self.field

    def title(self, runs: Mapping[str, str]) -> str:
        """What it is, for a person, who knows runs by their titles."""
        if not self.by:
            return self.field
        if self.by == OTHERS:
            return f"{self.field}, not by premask"
        return f"{self.field} by {runs.get(self.by, self.by)}"

    def looked_at(self, samples: Any) -> Any:
        """The samples that this side knows, though it may have found nothing there."""
        _require_objects(samples, self.field)
        known = samples.exists(self.field)
        if self.by in ("", OTHERS):
            return known
        labels = ViewField(f"{member_path(samples, self.field)}.{RUN}")
        if label_kind(samples, self.field) not in MEMBERS:
            return known.match(labels == self.by)
        looked = ViewField(f"{self.field}.{RUN}") == self.by
        return known.match(looked | labels.contains(self.by))

    def labels(self, samples: Any) -> Iterator[SampleLabels]:
        """Read this side's labels of these samples, in their order."""
        whose = {"": None, OTHERS: ~ViewField(RUN).exists()}.get(self.by, ViewField(RUN) == self.by)
        if whose is not None:
            samples = samples.filter_labels(self.field, whose, only_matches=False)
        return read_labels(samples, [self.field])


def looked_at_by_both(samples: Any, one: Side, other: Side) -> Any:
    return other.looked_at(one.looked_at(samples))


def label_pairs(samples: Any, one: Side, other: Side) -> Iterator[Pair]:
    """Both sides' labels of each sample."""
    return zip(one.labels(samples), other.labels(samples), strict=True)


def digest_of(pair: Pair) -> int:
    """A number that changes when a label of either side does; 0 where one can't be read.

    What a mask file holds counts; tags, and attributes that play no part in a comparison, do not.
    """
    if any(side.labeled.error is not None for side in pair):
        return 0
    digest = hashlib.blake2b(digest_size=8)
    for side in pair:
        digest.update(b"side")
        for label_id, found in zip(side.label_ids, side.labeled.annotations, strict=True):
            digest.update(repr((label_id, *_compared(found))).encode())
    return int.from_bytes(digest.digest(), "big") or 1


def side_choices(dataset: Any) -> dict[str, str]:
    """What can be chosen as a side, and a name of each for a person; the fields come first."""
    fields = [name for name, kind in readable_fields(dataset).items() if kind in COMPARED]
    sides = [Side(field) for field in fields]
    titles = run_titles(dataset)
    for field in fields:
        sides += _parts(dataset, field, titles)
    return {str(side): side.title(titles) for side in sides}


def run_titles(dataset: Any) -> dict[str, str]:
    """What each run is called, by its name."""
    return {run.name: run.title for run in all_runs(dataset)}


def _parts(dataset: Any, field: str, runs: Container[str]) -> list[Side]:
    """Whose labels there are in a field, if there are several such."""
    path = member_path(dataset, field)
    if not dataset.has_field(f"{path}.{RUN}"):
        return []
    names = [name for name in dataset.distinct(f"{path}.{RUN}") if name in runs]
    parts = [Side(field, name) for name in sorted(names, reverse=True)]
    if dataset.count(f"{path}.{RUN}") < dataset.count(f"{path}.id"):
        parts.append(Side(field, OTHERS))
    return parts if len(parts) > 1 else []


def _require_objects(samples: Any, field: str) -> None:
    kind = label_kind(samples, field)
    if kind not in COMPARED:
        raise InvalidSetting(
            f"'{field}' holds {kind}; only objects have partners ({', '.join(COMPARED)}). "
            "*Evaluate masks* compares maps and mattes, pixel by pixel."
        )


def _compared(found: Annotation) -> tuple[Any, ...]:
    counts = None if found.mask is None else found.mask.packed["counts"]
    return found.label, found.score, found.box_xyxy, found.crowd, counts
