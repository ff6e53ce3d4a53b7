"""FiftyOne on a database of the benchmarks' own, and 200 samples with 20 masks each."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from premask.annotations import Annotation
from premask.labels.fiftyone import detection_from_annotation
from premask.masks import Mask
from tests.fiftyone_database import fiftyone_environment, start_database

IMAGES, OBJECTS, SIZE_HW = 200, 20, (480, 640)


@cache
def start_fiftyone() -> tuple[Any, Path]:
    """The module `fiftyone`, and a folder that is removed when Python ends."""
    folder = Path(tempfile.mkdtemp())
    # What is registered first goes last: the database must have let go of its folder.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= fiftyone_environment(start_database(folder), folder)
    return importlib.import_module("fiftyone"), folder


def found_in_images() -> list[list[Annotation]]:
    """Wavy ellipses of 16 to 180 pixels; some are cut off by the image's border."""
    random = np.random.default_rng(0)
    return [[_object(random, number) for number in range(OBJECTS)] for _ in range(IMAGES)]


def labels_of(fo: Any, annotations: list[Annotation], **extra: Any) -> Any:
    fields = (detection_from_annotation(annotation, SIZE_HW) for annotation in annotations)
    return fo.Detections(detections=[fo.Detection(**values, **extra) for values in fields])


def unlabeled(fo: Any, folder: Path) -> Any:
    """A dataset of photos without labels."""
    dataset = fo.Dataset()
    metadata = fo.ImageMetadata(height=SIZE_HW[0], width=SIZE_HW[1])
    samples = [fo.Sample(filepath=str(path), metadata=metadata) for path in _images(folder)]
    dataset.add_samples(samples, progress=False)
    return dataset


def new_run(dataset: Any, folder: Path, fields: dict[str, str] | None = None) -> Any:
    """A run for the dataset's history."""
    from operators.dataset.history import Run, new_name

    return Run(
        name=new_name(),
        dataset=dataset.name,
        operator="benchmark",
        recipe="faces",
        settings="",
        params={},
        fields=fields or {},
        folder=str(folder),
    )


def _object(random: np.random.Generator, number: int) -> Annotation:
    (y, x), (ry, rx) = random.integers((0, 0), SIZE_HW), random.integers(8, 90, 2)
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    wave = 0.15 * np.sin(5 * np.arctan2(rows - y, columns - x))
    mask = Mask.from_array(np.hypot((rows - y) / ry, (columns - x) / rx) + wave <= 1)
    label = "cat" if number % 2 else "dog"
    return Annotation(label=label, box_xyxy=mask.box_xyxy, score=0.5, mask=mask)


def _images(folder: Path) -> Iterator[Path]:
    (folder / "images").mkdir(exist_ok=True)
    for number in range(IMAGES):
        path = folder / "images" / f"{number:03}.jpg"
        if not path.exists():
            PIL.Image.new("RGB", SIZE_HW[::-1], (number, 99, 99)).save(path)
        yield path
