"""Annotations <-> one PNG an image with the number of each pixel's object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.files import LazyFiles
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.png import mode_of_first_png, png_from_numbers, read_pngs
from premask.shaping.maps import NumberMap, masks_from_number_map, number_map


def object_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One map an image: 1 is the first annotation, 0 is nothing."""
    return {f"{stem}.png": lambda: png_from_numbers(object_map(labeled))}


def object_map(labeled: Labeled) -> NumberMap:
    """The number of each pixel's annotation (height, width), from 1; the smallest is on top."""
    count = len(labeled.annotations)
    numbers = range(1, count + 1)
    return number_map(labeled.annotations, numbers, labeled.image.size_hw, highest=count)


def are_object_maps(glimpse: Glimpse) -> bool:
    """Whether a folder has maps of numbers, and nothing that names them."""
    return mode_of_first_png(glimpse)[0] in ("P", "I;16")


def read_object_maps(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """One annotation, without a label, for each number of each map."""
    for image, numbers in read_pngs(folder, images):
        masks = masks_from_number_map(numbers).values()
        yield Labeled(
            image=image,
            annotations=tuple(
                Annotation(label="", box_xyxy=mask.box_xyxy, mask=mask) for mask in masks
            ),
        )
