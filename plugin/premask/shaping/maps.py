"""All objects of an image in one array: the number of each pixel's object, or its alpha."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.errors import UnwritableOutput
from premask.geometry import box_slices
from premask.masks import Alpha, Mask, Matte, Size, masks_by_number
from premask.shaping.sharing import is_part

NumberMap = NDArray[np.uint8] | NDArray[np.uint16]

HIGHEST_NUMBER = 2**16 - 1


def number_map(
    annotations: Sequence[Annotation], numbers: Sequence[int], size_hw: Size, *, highest: int
) -> NumberMap:
    """Paint each mask in its annotation's number on a map (height, width) of 0.

    Where objects overlap the smallest is on top. Annotations without a mask leave no trace. The map
    is uint8 if the `highest` number that any map of the dataset may have fits, else uint16.
    """
    if highest > HIGHEST_NUMBER:
        raise UnwritableOutput(
            f"A PNG map holds {HIGHEST_NUMBER:,} numbers, but there are {highest:,}. "
            "Write COCO instead."
        )
    canvas = np.zeros(size_hw, np.uint8 if highest < 2**8 else np.uint16)
    masks = [
        (annotation.mask, number)
        for annotation, number in zip(annotations, numbers, strict=True)
        if annotation.mask
    ]
    # Of two of one size the first is on top: models hand out the surest first.
    for mask, number in sorted(reversed(masks), key=lambda painted: -painted[0].area):
        canvas[box_slices(mask.box_xyxy)][mask.crop()] = number
    return canvas


def masks_from_number_map(numbers: NDArray[np.integer]) -> dict[int, Mask]:
    """The mask of each number but 0 in a map (height, width) of classes or objects."""
    return {number: mask for number, mask in masks_by_number(numbers).items() if number}


def alpha_map(annotations: Sequence[Annotation], size_hw: Size) -> Alpha:
    """How much of each pixel (height, width) all mattes cover, and masks that have none.

    The alphas of objects that touch add up; that of a part does not add to that of its whole.
    """
    alpha = np.zeros(size_hw, np.uint8)
    for layer in _layers(annotations):
        covered = np.zeros(size_hw, np.uint8)
        for shape in layer:
            crop = shape.crop()
            own = crop * np.uint16(255) if crop.dtype == np.bool_ else crop.astype(np.uint16)
            inside = covered[box_slices(shape.box_xyxy)]
            inside[:] = np.minimum(own + inside, 255)
        np.maximum(alpha, covered, out=alpha)
    return alpha


def _layers(annotations: Sequence[Annotation]) -> list[Sequence[Mask | Matte]]:
    """What is to be added up: the hard masks, and mattes of which none is a part of another."""
    hard = [found.mask for found in annotations if found.matte is None and found.mask is not None]
    layers: list[list[Matte]] = []
    for matte in (found.matte for found in annotations if found.matte is not None):
        for layer in layers:
            if not any(is_part(matte.mask(), other.mask()) for other in layer):
                layer.append(matte)
                break
        else:
            layers.append([matte])
    candidates: list[Sequence[Mask | Matte]] = [hard, *layers]
    return [layer for layer in candidates if layer]
