"""Clips of a dataset, and what their frames have in a field, by the frame's index from 0."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bson import ObjectId
from pymongo import UpdateOne

from premask.errors import PremaskError
from premask.video.frames import Span, Video, open_frames, open_video

from .bulk_store import Document, store

Holder = tuple[int, Document]
"""A frame that has something in a field, and what holds it."""

Holders = Iterator[Holder]


class DeletedClip(PremaskError):
    """A clip whose samples are in the dataset no more."""


class Clip(Protocol):
    """A video, a part of one, or images in an order.

    `name` is what people know it by, and `key` is unlike that of any other clip of the dataset.
    """

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    def open(self) -> tuple[Video, Span]:
        """The frames, and which of them are asked for."""
        ...

    def wants(self, index: int) -> bool:
        """Whether labels of this frame are asked for."""
        ...

    def shown(self, field: str) -> Holders:
        """What the chosen view shows in a field."""
        ...

    def stored(self, field: str, indices: Sequence[int] | None = None) -> Holders:
        """What the database has in a field of these frames, or of all that are asked for."""
        ...

    def store(self, field: str, documents: Mapping[int, Document]) -> None:
        """Write what frames have in a field from now on; raise if the clip was deleted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip:
    """A video of which frames are asked for, all or those in `support`: the first and the last.

    `view` shows this video, this clip of it, or frames of it that are samples. Of these, only the
    `chosen` numbers are labeled.
    """

    dataset: Any
    view: Any
    sample_id: str
    name: str
    support: tuple[int, int] | None = None
    chosen: frozenset[int] | None = None

    @property
    def key(self) -> str:
        return self.sample_id if self.support is None else f"{self.sample_id} {self.support}"

    def open(self) -> tuple[Video, Span]:
        video = open_video(self.name)
        if self.support is None:
            return video, Span()
        first, last = self.support
        times = {index: time for index, time in video.stamps(Span(), last)}
        # Half a frame earlier: sums of fractions are not exact.
        start, end = times.get(first - 1), times.get(last, float("inf"))
        return video, Span(start=0.0 if start is None else start, end=end)

    def wants(self, index: int) -> bool:
        return self.chosen is None or index + 1 in self.chosen

    def shown(self, field: str) -> Holders:
        is_of_frames = self.view.media_type == "image"
        some = [{"$match": {field: {"$ne": None}}}, {"$project": {"frame_number": 1, field: 1}}]
        found = self.view._aggregate(frames_only=not is_of_frames, post_pipeline=some)
        return self._holders(field, found)

    def stored(self, field: str, indices: Sequence[int] | None = None) -> Holders:
        wanted: dict[str, Any] = {"_sample_id": ObjectId(self.sample_id), field: {"$ne": None}}
        if indices is not None:
            wanted["frame_number"] = {"$in": [index + 1 for index in indices]}
        elif self.support is not None:
            wanted["frame_number"] = {"$gte": self.support[0], "$lte": self.support[1]}
        found = self.dataset._frame_collection.find(wanted, {"frame_number": 1, field: 1})
        return self._holders(field, found.sort("frame_number", 1))

    def store(self, field: str, documents: Mapping[int, Document]) -> None:
        if self.dataset._sample_collection.find_one(ObjectId(self.sample_id), {"_id": 1}) is None:
            raise DeletedClip(f"The video '{self.name}' was deleted from the dataset.")
        # FiftyOne's set_values asks for the ids of all frames first, each time.
        now = datetime.datetime.now(datetime.timezone.utc)
        updates = [
            UpdateOne(
                {"_sample_id": ObjectId(self.sample_id), "frame_number": index + 1},
                {"$set": {field: document, "last_modified_at": now}},
                upsert=True,
            )
            for index, document in documents.items()
        ]
        if updates:
            self.dataset._bulk_write(updates, frames=True)

    def _holders(self, field: str, documents: Any) -> Holders:
        return ((document["frame_number"] - 1, document[field]) for document in documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """Images that are the frames of a clip in this order."""

    dataset: Any
    view: Any
    name: str
    sample_ids: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.sample_ids[0]

    def open(self) -> tuple[Video, Span]:
        return open_frames([Path(path) for path in self.paths], self.name, self.paths), Span()

    def wants(self, index: int) -> bool:
        return True

    def shown(self, field: str) -> Holders:
        some = [{"$match": {field: {"$ne": None}}}, {"$project": {field: 1}}]
        return self._holders(field, self.view._aggregate(post_pipeline=some))

    def stored(self, field: str, indices: Sequence[int] | None = None) -> Holders:
        chosen = self.sample_ids if indices is None else [self.sample_ids[i] for i in indices]
        wanted = {"_id": {"$in": [ObjectId(sample_id) for sample_id in chosen]}}
        found = self.dataset._sample_collection.find(wanted | {field: {"$ne": None}}, {field: 1})
        return self._holders(field, found)

    def store(self, field: str, documents: Mapping[int, Document]) -> None:
        by_id = {self.sample_ids[index]: document for index, document in documents.items()}
        wanted = {"_id": {"$in": [ObjectId(sample_id) for sample_id in by_id]}}
        if self.dataset._sample_collection.count_documents(wanted) < len(by_id):
            raise DeletedClip(f"Images of '{self.name}' were deleted from the dataset.")
        for error in store(self.dataset, field, by_id).values():
            raise error

    def _holders(self, field: str, documents: Any) -> Holders:
        places = {sample_id: index for index, sample_id in enumerate(self.sample_ids)}
        return ((places[str(document["_id"])], document[field]) for document in documents)
