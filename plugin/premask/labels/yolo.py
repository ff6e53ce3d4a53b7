"""Annotations <-> YOLO's texts: on each line an object, as a polygon or, without a mask, a box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import write_atomically
from premask.geometry import Box, snapped
from premask.images import Image
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.numbering import Stems, files_of_images, number_new, numbered
from premask.labels.yolo_dataset import DATASET_NAME, categories_from_yaml, dataset_yaml
from premask.masks import Mask, Size

LABELS_FOLDER = "labels"


def write_yolo(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a text for each image below `labels/`, and data.yaml, which expects `images/` there."""
    numbers, stems = numbered(categories), Stems()
    for one in labeled:
        if one.error is None:
            number_new(numbers, one.annotations)
            lines = yolo_lines(one.annotations, one.image.size_hw, numbers)
            text = "".join(f"{line}\n" for line in lines)
            path = folder / LABELS_FOLDER / f"{stems.of(one.image.name)}.txt"
            write_atomically(path, text.encode())
    write_atomically(folder / DATASET_NAME, dataset_yaml(numbers).encode())
    return (folder,)


def read_yolo(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read the text of each image that has one; an image without a text was not looked at.

    YOLO's numbers are shares of the image's width and height, which the texts don't tell, so the
    `images` have to be given.
    """
    categories = _read_categories(folder / DATASET_NAME)
    for image, path in files_of_images(folder / LABELS_FOLDER, ".txt", images):
        if image.size_hw == (0, 0):
            raise InvalidMask(
                f"'{path}' has shares of its image, but nothing tells the size of '{image.name}'. "
                "Pass the images to the reader, with their sizes."
            )
        try:
            text = path.read_text(encoding="utf-8")
            annotations = annotations_from_yolo(text, image.size_hw, categories)
        except (InvalidMask, UnicodeDecodeError) as error:
            raise InvalidMask(f"'{path}': {error}") from error
        yield Labeled(image=image, annotations=annotations)


def yolo_lines(
    annotations: Iterable[Annotation], size_hw: Size, numbers: Mapping[str, int]
) -> Iterator[str]:
    """`class x y x y ...` or `class x y width height` in shares of the image; classes count from 0.

    An object of several parts is one polygon, whose parts are connected by lines without width. An
    object whose mask is empty has no line.
    """
    for annotation in annotations:
        x0, y0, x1, y1 = annotation.box_xyxy
        shape: Sequence[float] = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        if annotation.mask is not None:
            shape = _outline(annotation.mask)
        if shape:
            yield " ".join([str(numbers[annotation.label] - 1), *_shares(shape, size_hw)])


def annotations_from_yolo(
    text: str, size_hw: Size, categories: Sequence[str]
) -> tuple[Annotation, ...]:
    """Read the lines of one image: a class, and four numbers for a box or more for a polygon."""
    return tuple(
        _annotation(line, number, size_hw, categories)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    )


def _read_categories(path: Path) -> list[str]:
    try:
        return categories_from_yaml(path.read_text(encoding="utf-8"))
    except (InvalidMask, OSError, ValueError) as error:
        raise InvalidMask(f"'{path}' can't be read: {error}") from error


def _outline(mask: Mask) -> list[float]:
    """One polygon (x, y, x, y, ...): the outlines of all parts, with ways back to the first one."""
    first, *others = mask_to_polygons(mask) or [[]]
    if not others:
        return first
    tied = chain.from_iterable([*other, *other[:2], *first[:2]] for other in others)
    return [*first, *first[:2], *tied]


def _shares(shape: Sequence[float], size_hw: Size) -> Iterator[str]:
    """The numbers as shares of the image's sides.

    Twelve decimals are enough for a corner of a pixel to be one again in an image of any size.
    """
    for place, side in enumerate(shape):
        text = f"{side / size_hw[1 - place % 2]:.12f}"
        yield text.rstrip("0").rstrip(".")


def _annotation(line: str, number: int, size_hw: Size, categories: Sequence[str]) -> Annotation:
    try:
        index, *shares = line.split()
        label = categories[int(index)]
        shape = [float(share) * size_hw[1 - place % 2] for place, share in enumerate(shares)]
        if len(shape) == 4:
            return Annotation(label=label, box_xyxy=_box_of(shape))
        mask = mask_from_segmentation([[snapped(side) for side in shape]], size_hw)
    except (InvalidMask, ValueError, IndexError) as error:
        raise InvalidMask(
            f"Line {number} can't be read as YOLO: {error}. It must be a class of the "
            f"{len(categories)} and a polygon or a box."
        ) from error
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)


def _box_of(shape: Sequence[float]) -> Box:
    x, y, width, height = shape
    return (
        snapped(x - width / 2),
        snapped(y - height / 2),
        snapped(x + width / 2),
        snapped(y + height / 2),
    )
