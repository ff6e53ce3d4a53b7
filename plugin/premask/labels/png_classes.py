"""Annotations <-> one PNG an image with each pixel's class, and the classes' names in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, InvalidSetting
from premask.files import write_atomically
from premask.images import Image
from premask.labels.coco_ids import CocoIds
from premask.labels.glimpse import Glimpse
from premask.labels.numbering import Stems, number_new, numbered
from premask.labels.png import png_from_numbers, read_pngs
from premask.masks import Size
from premask.shaping.maps import NumberMap, masks_from_number_map, number_map

LEGEND_NAME = "classes.json"


def write_class_maps(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write one class map an image, and the legend: 1 is the first category, 0 is nothing."""
    numbers, stems = numbered(categories), Stems()
    for one in labeled:
        if one.error is None:
            number_new(numbers, one.annotations)
            class_map = class_map_from_annotations(
                one.annotations, one.image.size_hw, tuple(numbers)
            )
            path = folder / f"{stems.of(one.image.name)}.png"
            write_atomically(path, png_from_numbers(class_map))
    legend = {number: name for name, number in numbers.items()}
    write_atomically(folder / LEGEND_NAME, json.dumps(legend, indent=1).encode())
    return (folder,)


def are_class_maps(glimpse: Glimpse) -> bool:
    """Whether a folder has the legend."""
    return glimpse.has(LEGEND_NAME)


def class_map_ids(folder: Path) -> CocoIds:
    """The numbers of the classes in the maps."""
    legend = _read_legend(folder / LEGEND_NAME)
    return CocoIds(categories={name: number for number, name in legend.items()})


def read_class_maps(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """One annotation a class of each map; of objects that overlapped, the upper one is left."""
    labels = _read_legend(folder / LEGEND_NAME)
    for image, numbers in read_pngs(folder, images):
        masks = masks_from_number_map(numbers)
        unknown = next((number for number in masks if number not in labels), None)
        if unknown is not None:
            raise InvalidMask(
                f"The map of '{image.name}' has pixels of class {unknown}, which {LEGEND_NAME} "
                "does not name. Add it there."
            )
        yield Labeled(
            image=image,
            annotations=tuple(
                Annotation(label=labels[number], box_xyxy=mask.box_xyxy, mask=mask)
                for number, mask in masks.items()
            ),
        )


def class_map_from_annotations(
    annotations: Sequence[Annotation], size_hw: Size, categories: Sequence[str] | Mapping[str, int]
) -> NumberMap:
    """The number of the class of each pixel (height, width), by default in the categories' order.

    Where objects overlap the smallest is on top. Annotations without a mask leave no trace.
    """
    numbers = categories if isinstance(categories, Mapping) else numbered(categories)
    for annotation in annotations:
        if annotation.label not in numbers:
            raise InvalidSetting(
                f"The label '{annotation.label}' is not among the categories "
                f"({', '.join(numbers)}). Add it to them."
            )
    own_numbers = [numbers[annotation.label] for annotation in annotations]
    highest = max(numbers.values(), default=0)
    return number_map(annotations, own_numbers, size_hw, highest=highest)


def _read_legend(path: Path) -> dict[int, str]:
    try:
        legend = json.loads(path.read_bytes())
        return {int(number): str(name) for number, name in legend.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidMask(
            f"'{path}' can't be read ({error}). It must be JSON that names each number of the "
            'maps: {"1": "cat"}.'
        ) from error
