"""Annotations <-> YOLO text: one polygon a line for masks, one box a line where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import write_atomically
from premask.geometry import Box, snapped
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.numbering import Stems, number_new, numbered
from premask.masks import Mask, Size

LABELS_FOLDER = "labels"
DATASET_NAME = "data.yaml"


def write_yolo(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write one text an image below `labels/`, and data.yaml, which expects `images/` beside it."""
    numbers, stems = numbered(categories), Stems()
    for each in labeled:
        if each.error is None:
            number_new(numbers, each.annotations)
            lines = yolo_lines(each.annotations, each.image.size_hw, numbers)
            text = "".join(f"{line}\n" for line in lines)
            path = folder / LABELS_FOLDER / f"{stems.of(each.image.name)}.txt"
            write_atomically(path, text.encode())
    write_atomically(folder / DATASET_NAME, dataset_yaml(numbers).encode())
    return (folder,)


def yolo_lines(
    annotations: Iterable[Annotation], size_hw: Size, numbers: Mapping[str, int]
) -> Iterator[str]:
    """`class x y x y ...` or `class x y width height` in shares of the image; classes count from 0.

    Parts of one object are one polygon, tied together by lines without width. An object without a
    pixel has no line.
    """
    for annotation in annotations:
        shape = _box_shape(annotation) if annotation.mask is None else _outline(annotation.mask)
        if shape:
            yield " ".join([str(numbers[annotation.label] - 1), *_shares(shape, size_hw)])


def annotations_from_yolo(
    text: str, size_hw: Size, categories: Sequence[str]
) -> tuple[Annotation, ...]:
    """Read the lines of one image; four numbers behind the class are a box, more are a polygon."""
    return tuple(
        _annotation(line, number, size_hw, categories)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    )


def dataset_yaml(names: Iterable[str]) -> str:
    """What YOLO wants to know of the dataset, with the classes in their order."""
    lines = [f"  {number}: {_yaml_text(name)}" for number, name in enumerate(names)]
    return "\n".join(["path: .", "train: images", "val: images", "names:", *lines, ""])


def _outline(mask: Mask) -> list[float]:
    """One polygon (x, y, x, y, ...): each part's outline, closed, and back to the first corner."""
    first, *others = mask_to_polygons(mask) or [[]]
    if not others:
        return first
    tied = chain.from_iterable([*other, *other[:2], *first[:2]] for other in others)
    return [*first, *first[:2], *tied]


def _box_shape(annotation: Annotation) -> list[float]:
    x0, y0, x1, y1 = annotation.box_xyxy
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]


def _shares(shape: Sequence[float], size_hw: Size) -> Iterator[str]:
    """Twelve decimals: the corner of a pixel stays one in an image of any size."""
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


def _yaml_text(text: str) -> str:
    """JSON's quoting is YAML's, but for characters that can't be printed."""
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    escaped = text.encode("unicode_escape").decode("ascii")
    return '"' + escaped.replace('"', '\\"') + '"'
