"""Annotations <-> YOLO's texts: on each line an object, as a polygon or, without a mask, a box."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import write_atomically
from premask.geometry import Box, snapped
from premask.images import Image
from premask.labels.numbering import number_new, numbered
from premask.labels.yolo_dataset import (
    DATASET_NAME,
    Texts,
    dataset_yaml,
    find_text,
    is_in_dataset,
    read_categories,
    texts_below,
    yolo_folder,
)
from premask.labels.yolo_outline import INSET, Points, masks_to_outlines, outline_to_mask
from premask.masks import Size

_BOX_NUMBERS = 4

_NEEDLESS_ZEROS = re.compile(r"\.?0+(?= |$)")

_BOX_DECIMALS = 12
"""Enough for a corner of a pixel to be one again in an image of any size."""


def write_yolo(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a text for each image, mostly below `labels/`, and data.yaml, which expects `images/`.

    Where an object of the dataset has a mask, those that have none become rectangles, too: from
    boxes between polygons Ultralytics drops the image, or all polygons of the dataset.
    """
    numbers, texts = numbered(categories), Texts()
    with_boxes: dict[Path, Size] = {}
    has_polygons = False
    for one in labeled:
        if one.error is not None:
            continue
        text = texts.of(one.image.name)
        number_new(numbers, one.annotations)
        lines = list(yolo_lines(one.annotations, one.image.size_hw, numbers))
        are_boxes = [_is_box(line) for line in lines]
        if any(are_boxes):
            with_boxes[text] = one.image.size_hw
        has_polygons |= not all(are_boxes)
        _write_lines(folder / text, lines)
    if has_polygons:
        for text, size_hw in with_boxes.items():
            lines = (folder / text).read_text(encoding="utf-8").splitlines()
            _write_lines(folder / text, [_rectangle(line, size_hw) for line in lines])
    write_atomically(folder / DATASET_NAME, dataset_yaml(numbers).encode())
    return (folder,)


def read_yolo(path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """Read the text of each image; `path` is the folder of a dataset, or its data.yaml.

    An image of the dataset's own that has no text shows nothing; another one was not looked at.
    YOLO's numbers are shares of the image's width and height, which the texts don't tell, so the
    `images` have to be given.
    """
    categories, folder = read_categories(path), yolo_folder(path)
    named = ((image, find_text(folder, image.name)) for image in images)
    first = next(named, None)
    found = chain([first], named) if first is not None else texts_below(folder)
    for image, text in found:
        if text is None:
            if is_in_dataset(folder, image.name):
                yield Labeled(image=image)
            continue
        if image.size_hw == (0, 0):
            raise InvalidMask(
                f"'{text}' has shares of its image, but nothing tells the size of '{image.name}'. "
                "Pass the images to the reader, with their sizes."
            )
        try:
            annotations = annotations_from_yolo(
                text.read_text(encoding="utf-8"), image.size_hw, categories
            )
        except (InvalidMask, UnicodeDecodeError) as error:
            raise InvalidMask(f"'{text}': {error}") from error
        yield Labeled(image=image, annotations=annotations)


def yolo_lines(
    annotations: Iterable[Annotation], size_hw: Size, numbers: Mapping[str, int]
) -> Iterator[str]:
    """`class x y x y ...` or `class x y width height` in shares of the image; classes count from 0.

    A polygon is one of which Ultralytics makes the very mask. An object of several parts is one
    polygon, too, whose parts are connected by lines that are a pixel wide. An object whose mask is
    empty has no line.
    """
    annotations = list(annotations)
    outlines = iter(masks_to_outlines([one.mask for one in annotations if one.mask is not None]))
    for annotation in annotations:
        x0, y0, x1, y1 = annotation.box_xyxy
        points = np.array([((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)])
        decimals = _BOX_DECIMALS
        if annotation.mask is not None:
            points, decimals = next(outlines), _decimals(size_hw)
        if len(points):
            yield _line(str(numbers[annotation.label] - 1), points, size_hw, decimals)


def annotations_from_yolo(
    text: str, size_hw: Size, categories: Sequence[str]
) -> tuple[Annotation, ...]:
    """Read the lines of one image: a class, and four numbers for a box or more for a polygon.

    Ultralytics writes what it predicts with its score at the end of each line.
    """
    lines = {number: line for number, line in enumerate(text.splitlines(), start=1) if line.strip()}
    scored = all(len(line.split()) % 2 == 0 for line in lines.values())
    return tuple(
        _annotation(line, number, size_hw, categories, scored=scored)
        for number, line in lines.items()
    )


def _line(number: str, points: Points, size_hw: Size, decimals: int) -> str:
    shares = (points / (size_hw[1], size_hw[0])).ravel().tolist()
    text = f" %.{decimals}f" * len(shares) % tuple(shares)
    return number + _NEEDLESS_ZEROS.sub("", text)


def _decimals(size_hw: Size) -> int:
    """How many decimals keep a point in its pixel."""
    return len(str(round(4 * max(size_hw) / INSET)))


def _is_box(line: str) -> bool:
    return line.count(" ") == _BOX_NUMBERS


def _rectangle(line: str, size_hw: Size) -> str:
    """The line of a box as that of a polygon around the same pixels; other lines stay."""
    if not _is_box(line):
        return line
    number, *shares = line.split()
    x0, y0, x1, y1 = _box_of(_sides(shares, size_hw))
    x0, y0, x1, y1 = x0 + INSET, y0 + INSET, x1 - INSET, y1 - INSET
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return _line(number, corners, size_hw, _decimals(size_hw))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def _annotation(
    line: str, number: int, size_hw: Size, categories: Sequence[str], *, scored: bool
) -> Annotation:
    try:
        index, *shares = line.split()
        if not 0 <= int(index) < len(categories):
            raise InvalidMask(f"class {index}")
        label = categories[int(index)]
        score = float(shares.pop()) if scored else None
        if len(shares) == _BOX_NUMBERS:
            return Annotation(label=label, score=score, box_xyxy=_box_of(_sides(shares, size_hw)))
        # Ultralytics reads them in this precision, so that a point near the edge of its pixel is in
        # the same pixel here as there.
        points = np.array(shares, np.float32).reshape(-1, 2)
        if len(points) < 3:
            raise InvalidMask(f"a polygon of {len(points)} points")
        points *= np.array((size_hw[1], size_hw[0]), np.float32)
        mask = outline_to_mask(points.astype(np.float64), size_hw)
    except (InvalidMask, ValueError, IndexError) as error:
        raise InvalidMask(
            f"Line {number} can't be read as YOLO: {error}. It must be a class of the "
            f"{len(categories)} and a polygon or a box."
        ) from error
    return Annotation(label=label, score=score, box_xyxy=mask.box_xyxy, mask=mask)


def _sides(shares: Iterable[str], size_hw: Size) -> list[float]:
    return [float(share) * size_hw[1 - place % 2] for place, share in enumerate(shares)]


def _box_of(shape: Sequence[float]) -> Box:
    x, y, width, height = shape
    return (
        snapped(x - width / 2),
        snapped(y - height / 2),
        snapped(x + width / 2),
        snapped(y + height / 2),
    )
