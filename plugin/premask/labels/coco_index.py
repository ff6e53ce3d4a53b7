"""Where in a COCO file each record is, so that one image's can be read without the others'."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.json_stream import JsonStream, Span, value_at

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class OwnedRecords:
    """Where each record of a list is, by the id of the image that it belongs to.

    These are 24 bytes for each: that is what is in memory of a file of any length.
    """

    numbers: dict[object, int] = field(default_factory=dict)
    _spans: array[int] = field(default_factory=lambda: array("q"))
    _owners: array[int] = field(default_factory=lambda: array("q"))
    _sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def add_list(
        self, stream: JsonStream, on_record: Callable[[Json], object] | None = None
    ) -> None:
        """Note the records of the list that is next, and show each to whoever wants to see it."""
        for record, span in stream.list_items():
            self._spans.extend(span)
            owner = _id_of(record, "image_id")
            if on_record is not None and isinstance(record, dict):
                on_record(record)
            self._owners.append(self.numbers.setdefault(owner, len(self.numbers)))

    def of(self, image_id: object, file: BinaryIO) -> list[Json]:
        """The records of an image, in their order in the file."""
        number = self.numbers.get(image_id)
        if number is None:
            return []
        if self._sorted is None:
            owners = np.asarray(self._owners, np.int64)
            order = np.argsort(owners, kind="stable")
            bounds = np.cumsum(np.bincount(owners, minlength=len(self.numbers)))
            self._sorted = (
                np.asarray(self._spans, np.int64).reshape(-1, 2)[order],
                np.append(0, bounds),
            )
            self._spans, self._owners = array("q"), array("q")
        spans, bounds = self._sorted
        own = spans[bounds[number] : bounds[number + 1]].tolist()
        return [value_at(file, span) for span in own]

    def require_images(self, image_ids: set[object], file: BinaryIO) -> None:
        """`InvalidMask` that names a record whose image is not among these."""
        for image_id in self.numbers:
            if image_id not in image_ids:
                record = self.of(image_id, file)[0]
                raise InvalidMask(
                    f"Annotation {record.get('id')} can't be read: its image_id {image_id!r} is "
                    "not in the file. Correct it, or take it out."
                )


@dataclass(slots=True, kw_only=True)
class CocoIndex:
    """Where the images and the annotations of a file are; `head` is all else."""

    head: Json = field(default_factory=dict)
    annotations: OwnedRecords = field(default_factory=OwnedRecords)
    image_ids: set[object] = field(default_factory=set)
    _images: list[Span] = field(default_factory=list)

    @classmethod
    def of(cls, file: BinaryIO, on_annotation: Callable[[Json], object] | None = None) -> CocoIndex:
        """Go through a file once; `ValueError` if it is not COCO."""
        stream, index, found = JsonStream(file), cls(), set()
        for key in stream.object_keys():
            found.add(key)
            if key == "images":
                index._add_images(stream)
            elif key == "annotations":
                index.annotations.add_list(stream, on_annotation)
            else:
                index.head[key] = stream.value()
        if stream.peek():
            raise ValueError("there is something behind its end")
        for key in ("images", "annotations", "categories"):
            if key not in found:
                raise ValueError(f"it has no '{key}'")
        return index

    def images(self, file: BinaryIO) -> Iterator[Json]:
        """The record of each image, in the order of the file."""
        for span in self._images:
            yield value_at(file, span)

    def _add_images(self, stream: JsonStream) -> None:
        for image, span in stream.list_items():
            self._images.append(span)
            self.image_ids.add(_id_of(image, "id"))


def _id_of(record: object, key: str) -> object:
    if not isinstance(record, dict) or not isinstance(record.get(key), (int, str, float)):
        raise ValueError(f"a record has no '{key}': {str(record)[:60]}")
    return record[key]
