"""Annotations <-> COCO's file of results, which its evaluation reads: a list without images."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from premask.annotations import Annotation, Labeled
from premask.files import replacing
from premask.images import Image
from premask.json_stream import JsonStream
from premask.labels.coco import (
    labeled_from_records,
    labels_from_head,
    reading_coco,
    shape_to_coco,
)
from premask.labels.coco_ids import CocoIds
from premask.labels.coco_index import CocoIndex, OwnedRecords
from premask.labels.glimpse import Glimpse

Json = dict[str, Any]


def write_coco_results(
    labeled: Iterable[Labeled],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    ids: CocoIds | None = None,
    score: float | None = None,
) -> tuple[Path, ...]:
    """Write what was found with the `ids` of a person's own file, for `COCO(file).loadRes(path)`.

    Without ids they are those that `write_coco` gives. What a model found without a score has the
    `score` that is given here, or else none. COCO's evaluation of masks wants all to have a mask.
    """
    ids = CocoIds.counted(categories) if ids is None else ids.fresh()
    all_have_masks = True
    with replacing(path) as file, tempfile.TemporaryFile(dir=path.parent) as spool:
        for one in labeled:
            if one.error is not None:
                continue
            image_id = ids.image(one.image.name)
            for found in one.annotations:
                all_have_masks &= found.mask is not None
                record = {"image_id": image_id, "category_id": ids.category(found.label)}
                record |= _found(found, score)
                spool.write(json.dumps(record).encode() + b"\n")
        spool.seek(0)
        file.write(b"[")
        for place, line in enumerate(spool):
            file.write(b",\n" if place else b"\n")
            file.write(_without_box(line) if all_have_masks else line.rstrip(b"\n"))
        file.write(b"\n]\n")
    return (path,)


def _found(annotation: Annotation, score: float | None) -> Json:
    shape = shape_to_coco(annotation)
    del shape["area"]  # loadRes computes it
    own = score if annotation.score is None else annotation.score
    return shape if own is None else {**shape, "score": float(own)}


def _without_box(line: bytes) -> bytes:
    """The record of a mask: loadRes takes its area from the mask only where there is no box."""
    record = json.loads(line)
    del record["bbox"]
    return json.dumps(record).encode()


def is_coco_results(glimpse: Glimpse) -> bool:
    """Whether a file is a list of results."""
    return {"image_id", "category_id"} <= glimpse.item_keys


def results_reader(truth: Path) -> Callable[[Path, Iterable[Image]], Iterator[Labeled]]:
    """A reader that takes the names from the COCO file for which the results were made.

    Images of that file that have no result were looked at in vain.
    """

    def read(path: Path, images: Iterable[Image] = (), /) -> Iterator[Labeled]:
        with reading_coco(path), path.open("rb") as file, truth.open("rb") as truth_file:
            results = _index(file)
            with reading_coco(truth):
                index = CocoIndex.of(truth_file)
            results.require_images(index.image_ids, file)
            labels = labels_from_head(index.head)
            for image in index.images(truth_file):
                yield labeled_from_records(image, results.of(image["id"], file), labels)

    return read


def _index(file: BinaryIO) -> OwnedRecords:
    records = OwnedRecords()
    records.add_list(JsonStream(file))
    return records
