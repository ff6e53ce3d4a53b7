"""Annotations <-> one PNG an image in the numbers and colors of ADE20K's 150 classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import LazyFiles
from premask.images import Image
from premask.labels.glimpse import Glimpse
from premask.labels.png import mode_of_first_png, png_from_numbers, read_pngs
from premask.shaping.maps import NumberMap, masks_from_number_map, number_map
from premask.toml import parse_toml


def ade20k_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One map an image, in ADE20K's numbers and colors; 0 is what is none of its classes."""
    return {f"{stem}.png": lambda: png_from_numbers(ade20k_map(labeled), ade20k_palette())}


def are_ade20k(glimpse: Glimpse) -> bool:
    """Whether a folder has maps in ADE20K's colors."""
    mode, palette = mode_of_first_png(glimpse)
    return mode == "P" and palette.startswith(ade20k_palette())


def read_ade20k(folder: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
    """One annotation a class of each map, with the first of the class's names as its label."""
    labels = [names.split(",")[0] for names in _colors()]
    for image, numbers in read_pngs(folder, images):
        if numbers.max() > len(labels):
            raise InvalidMask(
                f"The map of '{image.name}' has the number {numbers.max()}, but ADE20K has "
                f"{len(labels)} classes. Is it a map of other classes?"
            )
        yield Labeled(
            image=image,
            annotations=tuple(
                Annotation(label=labels[number - 1], box_xyxy=mask.box_xyxy, mask=mask)
                for number, mask in masks_from_number_map(numbers).items()
            ),
        )


def ade20k_map(labeled: Labeled) -> NumberMap:
    """The number of ADE20K's class of each pixel (height, width); the smallest object is on top."""
    known = [found for found in labeled.annotations if ade20k_number(found.label)]
    numbers = [ade20k_number(found.label) for found in known]
    return number_map(known, numbers, labeled.image.size_hw, highest=max(numbers, default=0))


def ade20k_number(label: str) -> int:
    """The number of the class, 1 to 150, that has this name; 0 for what is none of them.

    >>> ade20k_number("wall"), ade20k_number("Road, route"), ade20k_number("couch")
    (1, 7, 24)
    """
    return _numbers().get(label.lower().split(",")[0].strip(), 0)


def ade20k_palette() -> bytes:
    """The colors of an indexed PNG, three bytes each, as ControlNet expects them; 0 is black."""
    return bytes(3) + b"".join(bytes.fromhex(color[1:]) for color in _colors().values())


@cache
def _colors() -> dict[str, str]:
    """The color of each class, '#rrggbb', in the order of their numbers, by all of its names."""
    text = files("premask.labels").joinpath("ade20k.toml").read_text(encoding="utf-8")
    return parse_toml(text)


@cache
def _numbers() -> dict[str, int]:
    """The number of each name. A name of several classes is that of the class it is first for."""
    classes = [[name.strip() for name in names.split(",")] for names in _colors()]
    numbers = {first: number for number, (first, *_) in enumerate(classes, start=1)}
    for number, (_, *others) in enumerate(classes, start=1):
        for name in others:
            numbers.setdefault(name, number)
    return numbers
