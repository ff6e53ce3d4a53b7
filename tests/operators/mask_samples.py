"""Datasets of awkward masks, for the operators that read, write and compare labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.labels.fiftyone import detection_from_annotation
from premask.masks import Mask, Matte
from tests.golden.dataset import adversarial_masks

Pixels = NDArray[np.bool_]


def awkward_images(count: int) -> Iterator[dict[str, Pixels]]:
    """Images of odd sizes, each with eleven masks."""
    for index in range(count):
        yield adversarial_masks(13 + 7 * index, 17 + 5 * (index % 7))


def annotation_of(pixels: Pixels, label: str = "cat", **fields: Any) -> Annotation:
    mask = Mask.from_array(pixels)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, **fields)


def soft_annotation(alpha: NDArray[np.uint8], label: str = "soft") -> Annotation:
    matte = Matte.from_array(alpha)
    mask = matte.mask()
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, matte=matte)


def saved_image(folder: Path, name: str, size_hw: tuple[int, int]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", size_hw[::-1], "gray").save(path)
    return path


def detections(fo: Any, annotations: list[Annotation], size_hw: tuple[int, int]) -> Any:
    fields = [detection_from_annotation(annotation, size_hw) for annotation in annotations]
    return fo.Detections(detections=[fo.Detection(**document) for document in fields])


def awkward_dataset(fo: Any, folder: Path, count: int, field: str = "masks") -> Any:
    """A dataset with eleven detections an image, without metadata."""
    samples = []
    for index, masks in enumerate(awkward_images(count)):
        height, width = masks["ring"].shape
        size_hw = height, width
        path = saved_image(folder, f"{'ab'[index % 2]}/{index:03}.png", size_hw)
        annotations = [annotation_of(pixels, name) for name, pixels in masks.items()]
        labels = detections(fo, annotations, size_hw)
        samples.append(fo.Sample(filepath=str(path), **{field: labels}))
    dataset = fo.Dataset()
    dataset.add_samples(samples, progress=False)
    return dataset
