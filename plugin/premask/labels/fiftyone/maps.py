"""Annotations <-> what FiftyOne keeps once an image: class maps (segmentations) and heatmaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.files import write_atomically
from premask.geometry import hull
from premask.labels.fiftyone.fields import Fields, Pixel, stretched
from premask.labels.png import png_from_gray
from premask.labels.png_classes import class_map_from_annotations
from premask.masks import Alpha, Matte, Size
from premask.shaping.maps import alpha_map, masks_from_number_map

Pixels = NDArray[np.bool_]


def segmentation_from_annotations(
    annotations: Sequence[Annotation],
    size_hw: Size,
    categories: Sequence[str] | Mapping[str, int],
    path: Path,
) -> Fields:
    """Write the class map as PNG; fields for `fiftyone.Segmentation(**fields)`.

    The PNG is gray: FiftyOne takes the colors of a palette for the values. Categories are numbered
    from 1, or have numbers already.
    """
    class_map = class_map_from_annotations(annotations, size_hw, categories)
    return {"mask_path": str(write_atomically(path, png_from_gray(class_map)))}


def annotations_from_class_map(
    numbers: NDArray[np.integer],
    targets: Mapping[object, str],
    size_hw: Size,
    source: Sequence[str] = (),
) -> tuple[Annotation, ...]:
    """One annotation a class of a map (h, w), or of colors (h, w, 3); 0 and black are nothing.

    `targets` names the values, or the colors as '#rrggbb'. As in FiftyOne, what they don't name is
    nothing, and without any a value is its own name.
    """
    if numbers.ndim == 3:
        numbers = numbers[..., :3].astype(np.int64) @ (1 << 16, 1 << 8, 1)
    names = {_number(target): name for target, name in targets.items()}
    masks = masks_from_number_map(_fitted(numbers, size_hw))
    return tuple(
        Annotation(
            label=names.get(value, str(value)),
            box_xyxy=mask.box_xyxy,
            mask=mask,
            source=tuple(source),
        )
        for value, mask in masks.items()
        if value in names or not names
    )


def mask_targets(categories: Sequence[str]) -> dict[int, str]:
    """What `dataset.mask_targets[field]` has to say about such class maps.

    >>> mask_targets(["cat", "dog"])
    {1: 'cat', 2: 'dog'}
    """
    return dict(enumerate(categories, start=1))


def extended_targets(
    targets: Mapping[Any, str], annotations: Sequence[Annotation]
) -> dict[int, str]:
    """Mask targets, as they are, with the next free numbers for labels that have none.

    >>> extended_targets({1: "cat", 7: "dog"}, [Annotation(label="cow", box_xyxy=(0, 0, 1, 1))])
    {1: 'cat', 7: 'dog', 8: 'cow'}
    """
    if any(str(target).startswith("#") for target in targets):
        raise InvalidSetting(
            "The mask targets of this field are colors, but premask writes numbers. Choose "
            "another field."
        )
    numbers = {int(number): name for number, name in targets.items()}
    for name in dict.fromkeys(annotation.label for annotation in annotations):
        if name not in numbers.values():
            numbers[max(numbers, default=0) + 1] = name
    return numbers


def heatmap_from_annotations(
    annotations: Sequence[Annotation], size_hw: Size, path: Path
) -> Fields:
    """Write the image's alpha as PNG; fields for `fiftyone.Heatmap(**fields)`.

    FiftyOne's own export would cut off fractions, or stretch each map to its own range.
    """
    alpha = alpha_map(annotations, size_hw)
    return {"map_path": str(write_atomically(path, png_from_gray(alpha))), "range": [0, 255]}


def matte_from_heatmap(
    values: NDArray[Any], limits: Sequence[float] | None, size_hw: Size
) -> Matte:
    """Alpha of a map (h, w) whose `limits` stand for 0 and 255; by default its type says them."""
    if values.ndim == 3:
        values = values[..., 0]
    if limits is None:
        limits = (0, 1) if values.dtype.kind == "f" else (0, np.iinfo(values.dtype).max)
    if values.dtype != np.uint8 or tuple(limits) != (0, 255):
        low, high = limits
        shares = (values.astype(np.float64) - low) / (high - low)
        values = np.rint(255 * np.clip(np.nan_to_num(shares), 0, 1)).astype(np.uint8)
    return Matte.from_array(_fitted(values, size_hw))


def with_mattes(annotations: Sequence[Annotation], alpha: Matte) -> tuple[Annotation, ...]:
    """Give each mask its share of the image's alpha: what lies on it, or is nearest to it.

    A mask that is not what a threshold makes of its share was changed since: it gets no matte.
    """
    masks = {
        found.mask: None for found in annotations if found.mask is not None and found.mask.area
    }
    box = hull([alpha.box_xyxy, *(mask.box_xyxy for mask in masks)])
    shares = _shares([mask.crop(box) for mask in masks], alpha.crop(box))
    mattes = {
        mask: Matte.from_crop(share, box[:2], alpha.size_hw)
        for mask, share in zip(masks, shares, strict=True)
        if _agrees(mask.crop(box), share)
    }
    return tuple(
        replace(found, matte=mattes[found.mask]) if found.mask in mattes else found
        for found in annotations
    )


def _number(target: object) -> int:
    """A value, or a color as 0xrrggbb; the database keeps both as texts."""
    text = str(target)
    return int(text[1:], 16) if text.startswith("#") else int(text)


def _fitted(values: NDArray[Pixel], size_hw: Size) -> NDArray[Pixel]:
    """The values (height, width) of all pixels: FiftyOne shows any map stretched over its image."""
    return values if values.shape == tuple(size_hw) else stretched(values, size_hw)


def _shares(masks: Sequence[Pixels], alpha: Alpha) -> list[Alpha]:
    """Each mask's share of the alpha (h, w): on overlaps both have it."""
    if len(masks) < 2:
        return [alpha] * len(masks)
    owner = np.zeros(alpha.shape, np.int64)
    for number, mask in enumerate(masks, start=1):
        owner[mask] = number
    # The nearest pixel of any mask says whose a pixel beside the masks is.
    nearest = ndimage.distance_transform_edt(
        owner == 0, return_distances=False, return_indices=True
    )
    owner = owner[tuple(nearest)]
    return [
        np.where(mask | (owner == number), alpha, np.uint8(0))
        for number, mask in enumerate(masks, start=1)
    ]


def _agrees(mask: Pixels, alpha: Alpha) -> bool:
    """Whether some threshold makes this mask of this alpha."""
    return bool(alpha[mask].min() > alpha[~mask].max(initial=0))
