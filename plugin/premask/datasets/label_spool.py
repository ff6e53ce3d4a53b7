"""Labels that wait on the disk, each image's to be had by its place in the file."""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from premask.annotations import Labeled
from premask.images import Image
from premask.labels.annotation_json import annotation_to_json, annotations_from_json


class LabelSpool:
    """Takes the labels of one image after the other, and gives them back in any order."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the spool
        weakref.finalize(self, self._file.close)

    def add(self, one: Labeled) -> int:
        """Put away what an image has, but its pixels; the place where it is."""
        place = self._file.seek(0, 2)
        record = {
            "name": one.image.name,
            "size_hw": [int(side) for side in one.image.size_hw],
            "extra": dict(one.extra),
            "annotations": [
                {"extra": dict(found.extra), **annotation_to_json(found)}
                for found in one.annotations
            ],
        }
        self._file.write(json.dumps(record).encode() + b"\n")
        return place

    def at(self, place: int) -> Labeled:
        """The labels that were put there."""
        self._file.seek(place)
        return _labeled(json.loads(self._file.readline()))


def _labeled(record: Mapping[str, Any]) -> Labeled:
    (height, width), records = record["size_hw"], record["annotations"]
    read = annotations_from_json(records, (height, width))
    annotations = tuple(
        replace(annotation, extra=found["extra"])
        for annotation, found in zip(read, records, strict=True)
    )
    image = Image(name=record["name"], size_hw=(height, width))
    return Labeled(image=image, annotations=annotations, extra=record["extra"])
