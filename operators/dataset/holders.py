"""What holds the labels of samples, or of frames: found by marks, read and written by id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fiftyone.core.odm import get_db_conn

from .bulk_store import Document
from .chosen_images import all_images
from .provenance import RUN
from .schema import FRAMES

_AT_ONCE = 100
"""Samples or frames read and written at once."""


class Holders(Protocol):
    """What the samples, or the frames, of a dataset have in one field."""

    def has_signed(self, run: str) -> bool:
        """Whether a label, or what holds it, is of this run."""
        ...

    def signed(self, run: str) -> Iterator[dict[str, Any]]:
        """Those with labels of this run, some at a time, by the id of their sample or frame."""
        ...

    def write(self, documents: Mapping[str, Document | None]) -> None:
        """Put these in their place."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is there; of an attribute, whether no label has it."""
        ...


def holders_in(dataset: Any, field: str, member: str | None) -> Holders:
    """The holders of a field, or of an attribute in it; `frames.tracks` is one of frames."""
    paths = [field, f"{field}.{member}"] if member else [field]
    holders = _OfFrames if field.startswith(FRAMES) else _OfSamples
    return holders(dataset, field, [path.removeprefix(FRAMES) for path in paths])


@dataclass(frozen=True, slots=True)
class _OfSamples:
    dataset: Any
    field: str
    paths: Sequence[str]

    def has_signed(self, run: str) -> bool:
        return bool(len(self._images.mongo([_match(self.paths, run), {"$limit": 1}])))

    def signed(self, run: str) -> Iterator[dict[str, Any]]:
        ids = self._images.mongo([_match(self.paths, run)]).values("id")
        for first in range(0, len(ids), _AT_ONCE):
            samples = self._images.select(ids[first : first + _AT_ONCE])
            yield holders_of(samples, self.field)

    def write(self, documents: Mapping[str, Document | None]) -> None:
        self.dataset.set_values(self.field, documents, key_field="id", validate=False)

    def is_empty(self) -> bool:
        return not self._images.count(self.field)

    @property
    def _images(self) -> Any:
        return all_images(self.dataset)


@dataclass(frozen=True, slots=True)
class _OfFrames:
    """Frames are documents of their own, which FiftyOne shows as part of their samples only."""

    dataset: Any
    field: str
    paths: Sequence[str]

    def has_signed(self, run: str) -> bool:
        return self._frames.find_one(_match(self.paths, run)["$match"], {"_id": 1}) is not None

    def signed(self, run: str) -> Iterator[dict[str, Any]]:
        name = self.field.removeprefix(FRAMES)
        label_type = self.dataset.get_frame_field_schema()[name].document_type
        wanted = _match(self.paths, run)["$match"]
        ids = [frame["_id"] for frame in self._frames.find(wanted, {"_id": 1})]
        for first in range(0, len(ids), _AT_ONCE):
            some = {"_id": {"$in": ids[first : first + _AT_ONCE]}}
            found = self._frames.find(some, {name: 1})
            yield {str(frame["_id"]): label_type.from_dict(frame[name]) for frame in found}

    def write(self, documents: Mapping[str, Document | None]) -> None:
        self.dataset.set_values(self.field, documents, key_field="frames.id", validate=False)

    def is_empty(self) -> bool:
        path = self.paths[0]
        there = [{path.partition(".")[0]: {"$ne": None}}, {path: {"$exists": True}}]
        return self._frames.find_one({"$and": there}, {"_id": 1}) is None

    @property
    def _frames(self) -> Any:
        return get_db_conn()[self.dataset._frame_collection_name]


def holders_of(samples: Any, field: str) -> dict[str, Any]:
    """What each sample has in the field, by its id."""
    return dict(zip(*samples.values(["id", field]), strict=True))


def _match(paths: Sequence[str], run: str) -> Document:
    return {"$match": {"$or": [{f"{path}.{RUN}": run} for path in paths]}}
