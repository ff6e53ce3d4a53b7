"""Annotations <-> PNG: maps of classes or objects with a palette, one mask a file, alpha."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, InvalidSetting, UnwritableOutput
from premask.files import LazyFiles, write_atomically
from premask.geometry import box_slices
from premask.labels.ade20k import ade20k_number, ade20k_palette
from premask.labels.numbering import Stems, number_new, numbered
from premask.labels.palette import png_palette
from premask.masks import Alpha, Mask, Matte, Size, masks_by_number
from premask.shaping.sharing import is_part

Index = NDArray[np.uint8] | NDArray[np.uint16]

LEGEND_NAME = "classes.json"
PILLOWS_OWN = -1


def write_class_maps(
    labeled: Iterable[Labeled], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write one class map an image, and the legend: 1 is the first category, 0 is nothing."""
    numbers, stems = numbered(categories), Stems()
    for each in labeled:
        if each.error is None:
            number_new(numbers, each.annotations)
            index = class_map(each.annotations, each.image.size_hw, tuple(numbers))
            write_atomically(folder / f"{stems.of(each.image.name)}.png", png_from_index(index))
    legend = {number: name for name, number in numbers.items()}
    write_atomically(folder / LEGEND_NAME, json.dumps(legend, indent=1).encode())
    return (folder,)


def instance_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One map an image: 1 is the first annotation, 0 is nothing."""
    return {f"{stem}.png": lambda: png_from_index(instance_map(labeled))}


def ade20k_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One map an image, in ADE20K's numbers and colors; 0 is what is none of its classes."""
    return {f"{stem}.png": lambda: png_from_index(ade20k_map(labeled), ade20k_palette())}


def mask_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One file of 0 and 255 for each annotation that has a mask; they may overlap."""
    return {
        f"{stem}_{index}.png": partial(png_from_mask, annotation.mask)
        for index, annotation in enumerate(labeled.annotations)
        if annotation.mask is not None
    }


def alpha_files(labeled: Labeled, stem: str) -> LazyFiles:
    """One file an image: how much of each pixel belongs to any object."""
    return {
        f"{stem}.png": lambda: png_from_gray(alpha_map(labeled.annotations, labeled.image.size_hw))
    }


def class_map(
    annotations: Sequence[Annotation], size_hw: Size, categories: Sequence[str] | Mapping[str, int]
) -> Index:
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
    values = [numbers[annotation.label] for annotation in annotations]
    return _painted(annotations, values, size_hw, max(numbers.values(), default=0))


def instance_map(labeled: Labeled) -> Index:
    """The number of each pixel's annotation (height, width), from 1; overlaps as in `class_map`."""
    count = len(labeled.annotations)
    values = range(1, count + 1)
    return _painted(labeled.annotations, values, labeled.image.size_hw, count)


def ade20k_map(labeled: Labeled) -> Index:
    """The number of ADE20K's class of each pixel (height, width); overlaps as in `class_map`."""
    known = [each for each in labeled.annotations if ade20k_number(each.label)]
    values = [ade20k_number(each.label) for each in known]
    return _painted(known, values, labeled.image.size_hw, max(values, default=0))


def alpha_map(annotations: Sequence[Annotation], size_hw: Size) -> Alpha:
    """How much of each pixel (height, width) all mattes cover, and masks that have none.

    The alphas of objects that touch add up; that of a part does not add to that of its whole.
    """
    alpha = np.zeros(size_hw, np.uint8)
    for layer in _layers(annotations):
        covered = np.zeros(size_hw, np.uint8)
        for shape in layer:
            inside = covered[box_slices(shape.box_xyxy)]
            inside[:] = np.minimum(alpha_crop(shape) + inside.astype(np.uint16), 255)
        np.maximum(alpha, covered, out=alpha)
    return alpha


def _layers(annotations: Sequence[Annotation]) -> list[Sequence[Mask | Matte]]:
    """What is to be added up: the hard masks, and mattes of which none is a part of another."""
    hard = [each.mask for each in annotations if each.matte is None and each.mask is not None]
    layers: list[list[Matte]] = []
    for matte in (each.matte for each in annotations if each.matte is not None):
        for layer in layers:
            if not any(is_part(matte.mask(), other.mask()) for other in layer):
                layer.append(matte)
                break
        else:
            layers.append([matte])
    found: list[Sequence[Mask | Matte]] = [hard, *layers]
    return [each for each in found if each]


def alpha_crop(shape: Mask | Matte) -> Alpha:
    """Alpha (h, w) on the shape's own box."""
    crop = shape.crop()
    return crop.astype(np.uint8) * np.uint8(255 if crop.dtype == np.bool_ else 1)


def png_from_mask(mask: Mask) -> bytes:
    """A gray PNG of 0 and 255."""
    return png_from_gray(mask.to_array().view(np.uint8) * np.uint8(255))


def mask_from_png(data: bytes) -> Mask:
    """The pixels of a PNG that are not 0."""
    return Mask.from_array(_pixels(data))


def matte_from_png(data: bytes) -> Matte:
    """A gray PNG as alpha."""
    return Matte.from_array(_pixels(data))


def masks_from_png(data: bytes) -> dict[int, Mask]:
    """The mask of each number in the PNG of a map of classes or objects."""
    return masks_from_index(_pixels(data))


def masks_from_index(index: NDArray[Any]) -> dict[int, Mask]:
    """The mask of each number but 0 in a map (height, width) of classes or objects."""
    return {number: mask for number, mask in masks_by_number(index).items() if number}


def png_from_index(index: Index, palette: bytes | None = None) -> bytes:
    """A PNG with a palette, by default PASCAL VOC's.

    Beyond 255 numbers it has 16 bits of gray, without colors.
    """
    picture = PIL.Image.fromarray(index)
    if index.dtype == np.uint8:
        picture.putpalette(palette or png_palette())
    return png_bytes(picture)


def png_from_gray(gray: Index) -> bytes:
    """A gray PNG of an array (height, width), of 8 or 16 bits as the array is."""
    return png_bytes(PIL.Image.fromarray(gray))


def png_bytes(picture: PIL.Image.Image, *, strategy: int = PILLOWS_OWN) -> bytes:
    """The file of a picture; `strategy` is one of zlib's, of which some suit photos."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_type=strategy)
    return buffer.getvalue()


def _painted(
    annotations: Sequence[Annotation], values: Sequence[int], size_hw: Size, highest: int
) -> Index:
    """Each mask in its value, large ones first, so that small ones stay on top."""
    if highest >= 2**16:
        raise UnwritableOutput(
            f"A PNG map holds 65,535 numbers, but there are {highest:,}. Write COCO instead."
        )
    index = np.zeros(size_hw, np.uint8 if highest < 2**8 else np.uint16)
    masks = [
        (each.mask, value) for each, value in zip(annotations, values, strict=True) if each.mask
    ]
    # Of two of one size the first is on top: models hand out the surest first.
    for mask, value in sorted(reversed(masks), key=lambda painted: -painted[0].area):
        index[box_slices(mask.box_xyxy)][mask.crop()] = value
    return index


def _pixels(data: bytes) -> NDArray[Any]:
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture)
    # Pillow's decoders raise nearly anything on broken files.
    except Exception as error:
        raise InvalidMask(f"This mask is no PNG that can be read ({error}).") from error
    if pixels.ndim != 2:
        raise InvalidMask(f"This PNG has colors ({picture.mode}); a mask has one number a pixel.")
    return pixels
