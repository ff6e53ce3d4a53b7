"""Our COCO writer against json.dump of the same content: time, and memory from 1k to 100k."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_bytes
from benchmarks.table import Row, ratio_of
from premask.annotations import Annotation, Labeled
from premask.images import Image
from premask.labels.coco import annotation_to_coco, write_coco
from premask.masks import Mask

SIZE_HW = (480, 640)
OBJECTS = 20


def rows() -> Iterator[Row]:
    """Time at 10,000 annotations, then memory at 1,000 and 100,000."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "coco.json"

        def ours() -> None:
            write_coco(dataset(500), path, ["thing"])

        def plain() -> None:
            annotations = [
                annotation_to_coco(annotation, image_id=image_id, annotation_id=0, category_id=1)
                for image_id, labeled in enumerate(dataset(500), start=1)
                for annotation in labeled.annotations
            ]
            with path.open("w") as file:
                json.dump({"annotations": annotations}, file)

        yield Row(
            what="write_coco / build a list, then json.dump",
            ratio=ratio_of(ours, plain, 5),
            goal=0.9,
            note="500 images x 20 masks; json.dump holds all of them in memory",
        )
    peaks = {count: peak_of_writing(count // OBJECTS) for count in (1_000, 100_000)}
    yield Row(
        what="peak memory of write_coco, 1,000 annotations / 100,000",
        ratio=peaks[1_000] / peaks[100_000],
        goal=0.9,
        note=", ".join(f"{count:,}: {peak / 1e6:.0f} MB" for count, peak in peaks.items()),
    )


def dataset(images: int) -> Iterator[Labeled]:
    """Images that are made as they are asked for, so that only the writer could keep them all."""
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    disc = Mask.from_array((rows - 200) ** 2 + (columns - 300) ** 2 < 60**2)
    annotation = Annotation(label="thing", box_xyxy=disc.box_xyxy, score=0.5, mask=disc)
    for index in range(images):
        image = Image(name=f"{index}.jpg", size_hw=SIZE_HW)
        yield Labeled(image=image, annotations=(annotation,) * OBJECTS)


def peak_of_writing(images: int) -> int:
    return peak_bytes(
        "import pathlib, sys, tempfile\n"
        "from benchmarks.coco_writer import dataset, write_coco\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    path = pathlib.Path(folder) / 'coco.json'\n"
        "    write_coco(dataset(int(sys.argv[1])), path, ['thing'])\n",
        str(images),
    )
