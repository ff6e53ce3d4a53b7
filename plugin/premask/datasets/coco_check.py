"""A COCO file looked at record by record, however broken it is, and a mended copy of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from premask.datasets.image_check import ImageCheck
from premask.datasets.image_files import ImageFiles
from premask.datasets.overlap_check import OverlapCheck
from premask.datasets.problems import Health
from premask.datasets.record_check import RecordCheck
from premask.files import replacing
from premask.json_stream import JsonStream
from premask.runs.progress import ProgressCounter, ProgressWatcher

Json = dict[str, Any]


def check_coco(
    path: Path,
    files: ImageFiles,
    out: Path | None = None,
    *,
    on_progress: ProgressWatcher | None = None,
) -> Health:
    """Say what is wrong with a COCO file, and write a mended copy if `out` is given.

    Annotations pass one at a time. Of each its id and a hash of its pixels stay in memory, and its
    mask waits on the disk, to find those that overlap. Images and categories are held as a whole.
    """
    health, overlaps = Health(path=str(path)), OverlapCheck()
    images = ImageCheck(files=files, health=health)
    with path.open("rb") as file:
        try:
            learned = _learn(JsonStream(file), images, on_progress)
        except ValueError as error:
            health.add("no JSON", str(path), f"{error}")
            return health
        file.seek(0)
        records = RecordCheck(
            images=images.images, labels=images.labels, health=health, free_id=learned.highest + 1
        )
        counter = ProgressCounter(
            total=learned.annotations, on_progress=on_progress, thing="annotations"
        )
        mended = _mended(JsonStream(file), images, records, overlaps, counter)
        with nullcontext() if out is None else replacing(out) as copy:
            _write(mended, copy)
    overlaps.report(health)
    return health


class _Learned(NamedTuple):
    """The highest id of an annotation, and how many there are."""

    highest: int
    annotations: int


def _learn(stream: JsonStream, images: ImageCheck, on_progress: ProgressWatcher | None) -> _Learned:
    """Take in images and categories, wherever in the file they are."""
    highest, annotations, lists = 0, 0, set[str]()
    counter = ProgressCounter(on_progress=on_progress)
    for key in stream.object_keys():
        lists.add(key)
        if key == "images":
            for record, _ in stream.list_items():
                images.add_image(record)
                counter.count()
        elif key == "categories":
            images.add_categories(stream.value())
        elif key == "annotations":
            for record, _ in stream.list_items():
                annotations += 1
                number = record.get("id") if isinstance(record, dict) else None
                highest = max(highest, number) if isinstance(number, int) else highest
        else:
            stream.skip()
    for name in sorted({"images", "annotations", "categories"} - lists):
        images.health.add("no list", images.health.path, f"it has no '{name}'", "an empty one")
    return _Learned(highest, annotations)


def _mended(
    stream: JsonStream,
    images: ImageCheck,
    records: RecordCheck,
    overlaps: OverlapCheck,
    counter: ProgressCounter,
) -> Iterator[tuple[str, object]]:
    """Each key of the file with what a mended copy has there; annotations are an iterator."""
    missing = {"images", "annotations", "categories"}
    for key in stream.object_keys():
        missing.discard(key)
        if key == "annotations":
            yield key, _mended_annotations(stream, records, overlaps, counter)
        elif key in ("images", "categories"):
            stream.skip()
            yield key, images.image_records if key == "images" else images.category_records
        else:
            yield key, stream.value()
    for key in sorted(missing):
        yield key, []


def _mended_annotations(
    stream: JsonStream, records: RecordCheck, overlaps: OverlapCheck, counter: ProgressCounter
) -> Iterator[Json]:
    for record, _ in stream.list_items():
        counter.count()
        mended, mask = records.mended(record)
        if mended is None:
            continue
        if mask is not None and not mended.get("iscrowd"):
            image = records.images[mended["image_id"]].name
            overlaps.add(image, records.labels[mended["category_id"]], mended["id"], mask)
        yield mended


def _write(mended: Iterable[tuple[str, object]], copy: BinaryIO | None) -> None:
    """Write the copy if there is one to be written; the file is gone through in any case."""
    write: Callable[[bytes], object] = (lambda data: None) if copy is None else copy.write
    write(b"{")
    for place, (key, value) in enumerate(mended):
        write((",\n" if place else "").encode() + json.dumps(key).encode() + b": ")
        if not isinstance(value, (list, Iterator)):
            write(json.dumps(value).encode())
            continue
        write(b"[")
        for number, record in enumerate(value):
            write((",\n" if number else "\n").encode() + json.dumps(record).encode())
        write(b"\n]")
    write(b"}\n")
