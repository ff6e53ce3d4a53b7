"""What people said in Label Studio, onto the labels that it was said of; conflicts are told."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo.errors import PyMongoError

from premask.errors import InvalidMask, PremaskError
from premask.exchange.records import ReturnedSample

from ..dataset.bulk_store import is_too_large, too_large
from ..dataset.chosen_images import all_images
from ..dataset.provenance import PEOPLE, computed_attributes
from ..dataset.reading import image_size
from ..dataset.schema import add_field
from .returned_labels import Preferred, SaidOfSample

_AT_ONCE = 50

_TRIES = 5
"""How often to begin anew where somebody else writes the same sample in between."""

_STAMPS: dict[str, Any] = {
    f"{PEOPLE}annotator": fo.StringField,
    f"{PEOPLE}updated_at": fo.DateTimeField,
    f"{PEOPLE}task": fo.IntField,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A sample as the database has it, and when it was `seen` to be changed last."""

    path: str
    metadata: Any
    seen: datetime
    holder: Any


@dataclass(slots=True, kw_only=True)
class Receiving:
    """What came back, on its way into one dataset.

    `counts` are of labels, by what became of them; `conflicts` are sentences; `failures` have the
    reasons by sample.
    """

    dataset: Any
    preferred: Preferred = "neither"
    counts: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    written: int = 0
    conflicts: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    _prepared: set[str] = field(default_factory=set)

    def apply(self, returned: Iterable[ReturnedSample]) -> None:
        """Write all that is new; what is there already stays as it is."""
        computed = computed_attributes(self.dataset)
        source = iter(returned)
        while chunk := list(itertools.islice(source, _AT_ONCE)):
            rows = self._rows(chunk)
            for said in chunk:
                self.samples += 1
                try:
                    self._apply(said, rows.get(said.sample), computed)
                except PremaskError as error:
                    self.failures[f"sample {said.sample} (task {said.task})"] = str(error)

    def _apply(self, said: ReturnedSample, row: _Row | None, computed: Set[str]) -> None:
        """Write one sample, unless somebody else does so between our look and our word."""
        for _ in range(_TRIES):
            if row is None:
                raise PremaskError(
                    f"The dataset '{self.dataset.name}' has no such sample: it was deleted, or "
                    "belongs to another dataset. What people said of it is still in Label Studio."
                )
            _require_same_image(said, row)
            merged = SaidOfSample(said, row.holder, computed, self.preferred).merged()
            if merged.holder is None or self._store(said, row.seen, merged.holder.to_dict()):
                self.counts += merged.counts
                self.written += merged.holder is not None
                self.conflicts += [f"{row.path}: {sentence}" for sentence in merged.conflicts]
                return
            row = self._rows([said]).get(said.sample)
        raise PremaskError("Somebody else writes this sample all the time. Run it again.")

    def _rows(self, chunk: Sequence[ReturnedSample]) -> dict[str, _Row]:
        """What the database has of these samples now."""
        rows: dict[str, _Row] = {}
        for name in {said.field for said in chunk}:
            self._prepare(name, [said for said in chunk if said.field == name])
            ids = [said.sample for said in chunk if said.field == name]
            found = all_images(self.dataset).select(ids)
            paths = ["id", "filepath", "metadata", "last_modified_at", name]
            rows |= {
                sample: _Row(path=path, metadata=metadata, seen=seen, holder=holder)
                for sample, path, metadata, seen, holder in zip(*found.values(paths), strict=True)
            }
        return rows

    def _store(self, said: ReturnedSample, seen: datetime, document: Mapping[str, Any]) -> bool:
        """Write the holder if the sample is still what we looked at."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        wanted = {"_id": ObjectId(said.sample), "last_modified_at": seen}
        change = {"$set": {said.field: document, "last_modified_at": now}}
        try:
            result = self.dataset._sample_collection.update_one(wanted, change)
        except PyMongoError as error:
            if is_too_large(error):
                raise too_large(said.field) from error
            raise
        return bool(result.matched_count)

    def _prepare(self, name: str, chunk: Sequence[ReturnedSample]) -> None:
        """Declare what labels will have: the App filters by what the schema knows."""
        if not self.dataset.has_field(name):
            kind = fo.Detections
            add_field(self.dataset, name, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        kinds = dict(_STAMPS)
        for label in (label for said in chunk for label in said.labels):
            values = label.attributes.items()
            kinds |= {key: _kind_of(value) for key, value in values if value is not None}
        for key, kind in kinds.items():
            path = f"{name}.detections.{key}"
            if path not in self._prepared and not self.dataset.has_field(path):
                add_field(self.dataset, path, kind)
            self._prepared.add(path)

    def summary(self) -> list[str]:
        """What was done, and what was not, in sentences."""
        lines = [f"failed: {name}: {reason}" for name, reason in self.failures.items()]
        lines += [f"conflict: {sentence}" for sentence in self.conflicts]
        if self.conflicts:
            lines.append(
                f"{len(self.conflicts)} labels stay as FiftyOne has them: both sides changed them. "
                "Say whose word counts: --conflicts fiftyone, or label-studio"
            )
        kinds = ("corrected", "new", "deleted", "accepted", "unchanged")
        counts = ", ".join(f"{self.counts[kind]} {kind}" for kind in kinds)
        lines.append(
            f"{self.samples} samples in '{self.dataset.name}': {counts}, "
            f"{len(self.conflicts)} conflicts, {len(self.failures)} samples failed"
        )
        return lines


def _require_same_image(said: ReturnedSample, row: _Row) -> None:
    if said.size_hw is None:
        return
    size_hw = image_size(row.path, row.metadata and row.metadata.to_dict())
    if size_hw != said.size_hw:
        raise InvalidMask(
            f"The image is {size_hw[1]} x {size_hw[0]}, but people drew on one of "
            f"{said.size_hw[1]} x {said.size_hw[0]}: it was replaced since."
        )


def _kind_of(value: object) -> Any:
    if isinstance(value, bool):
        return fo.BooleanField
    return fo.StringField if isinstance(value, str) else fo.FloatField
