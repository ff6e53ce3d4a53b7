"""Annotations <-> fields of FiftyOne's labels, placed so that its renderers keep every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.files import write_atomically
from premask.geometry import Box, IntBox, snapped
from premask.labels.coco_rle import mask_to_polygons
from premask.labels.png import alpha_map, class_map, png_from_gray
from premask.masks import Mask, Size

Fields = dict[str, Any]

NUDGE = 1e-6
"""In pixels. FiftyOne rounds corners down (eta/core/geometry.py, 0.17): what should be 7 and is
6.9999999 becomes 6, and the mask is then stretched. A millionth more keeps it at 7."""


def detection_from_annotation(
    annotation: Annotation, size_hw: Size, mask_path: Path | None = None
) -> Fields:
    """Fields for `fiftyone.Detection(**fields)`: its box is the mask's where there is one.

    With a path the mask is written there, as a PNG of 0 and 255.
    """
    fields = _described(annotation)
    if annotation.mask is None:
        return fields | {"bounding_box": _unit_box(annotation.box_xyxy, size_hw, nudge=0)}
    box = _mask_box(annotation.mask)
    fields["bounding_box"] = _unit_box(box, size_hw, nudge=NUDGE)
    pixels = np.ascontiguousarray(annotation.mask.crop(box))
    if mask_path is None:
        return fields | {"mask": pixels}
    png = png_from_gray(pixels.view(np.uint8) * np.uint8(255))
    return fields | {"mask_path": str(write_atomically(mask_path, png))}


def polyline_from_annotation(annotation: Annotation, size_hw: Size) -> Fields:
    """Fields for `fiftyone.Polyline(**fields)`: the edges of the pixels, or of the box.

    premask and COCO's tools make the same pixels of it; FiftyOne's own renderer, which also paints
    the line itself, makes the object up to a pixel larger.
    """
    height, width = size_hw
    x0, y0, x1, y1 = annotation.box_xyxy
    outlines = [[x0, y0, x1, y0, x1, y1, x0, y1]]
    if annotation.mask is not None:
        outlines = mask_to_polygons(annotation.mask)
    points = [
        [(x / width, y / height) for x, y in zip(each[::2], each[1::2], strict=True)]
        for each in outlines
    ]
    return _described(annotation) | {"points": points, "closed": True, "filled": True}


def annotation_from_detection(fields: Mapping[str, Any], size_hw: Size) -> Annotation:
    """Read a detection; its mask is an array (h, w), a picture (h, w, colors), or None."""
    box_xyxy = _pixel_box(fields["bounding_box"], size_hw)
    mask = None
    if fields.get("mask") is not None:
        mask = _placed_mask(fields["mask"], box_xyxy, size_hw)
        box_xyxy = mask.box_xyxy
    return Annotation(
        label=fields.get("label") or "",
        box_xyxy=box_xyxy,
        score=fields.get("confidence"),
        mask=mask,
        track=fields.get("index"),
        source=tuple(fields.get("source") or ()),
        crowd=bool(fields.get("iscrowd")),
    )


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
    index = class_map(annotations, size_hw, categories)
    return {"mask_path": str(write_atomically(path, png_from_gray(index)))}


def mask_targets(categories: Sequence[str]) -> dict[int, str]:
    """What `dataset.mask_targets[field]` has to say about such class maps.

    >>> mask_targets(["cat", "dog"])
    {1: 'cat', 2: 'dog'}
    """
    return dict(enumerate(categories, start=1))


def heatmap_from_annotations(
    annotations: Sequence[Annotation], size_hw: Size, path: Path
) -> Fields:
    """Write the image's alpha as PNG; fields for `fiftyone.Heatmap(**fields)`.

    FiftyOne's own export would cut off fractions, or stretch each map to its own range.
    """
    alpha = alpha_map(annotations, size_hw)
    return {"map_path": str(write_atomically(path, png_from_gray(alpha))), "range": [0, 255]}


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
    new = dict.fromkeys(each.label for each in annotations)
    for name in [name for name in new if name not in numbers.values()]:
        numbers[max(numbers, default=0) + 1] = name
    return numbers


def _described(annotation: Annotation) -> Fields:
    """What labels of all types say beside their shape; nothing that the model did not say."""
    fields: Fields = {"label": annotation.label}
    if annotation.score is not None:
        fields["confidence"] = float(annotation.score)
    if annotation.track is not None:
        fields["index"] = int(annotation.track)
    if annotation.source:
        fields["source"] = list(annotation.source)
    if annotation.crowd:
        fields["iscrowd"] = 1  # where FiftyOne's own COCO importer and exporter keep it
    return fields


def _mask_box(mask: Mask) -> IntBox:
    """The tight box; one pixel for a mask without any, since FiftyOne can't export 0 x 0."""
    x0, y0, x1, y1 = mask.box_xyxy
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _unit_box(box_xyxy: Box, size_hw: Size, *, nudge: float) -> list[float]:
    """FiftyOne's [x, y, width, height] in shares of the image."""
    height, width = size_hw
    x0, y0, x1, y1 = (float(side) for side in box_xyxy)
    return [(x0 + nudge) / width, (y0 + nudge) / height, (x1 - x0) / width, (y1 - y0) / height]


def _pixel_box(bounding_box: Sequence[float], size_hw: Size) -> Box:
    height, width = size_hw
    x, y, w, h = bounding_box
    x0, y0, x1, y1 = x * width, y * height, (x + w) * width, (y + h) * height
    return snapped(x0), snapped(y0), snapped(x1), snapped(y1)


def _placed_mask(mask: ArrayLike, box_xyxy: Box, size_hw: Size) -> Mask:
    """The mask where the box rounds to, stretched only if its size is another."""
    x0, y0, x1, y1 = (round(side) for side in box_xyxy)
    pixels = np.asarray(mask) != 0
    if pixels.ndim == 3:
        pixels = pixels[..., :3].any(axis=-1)
    if abs(pixels.shape[0] - (y1 - y0)) > 1 or abs(pixels.shape[1] - (x1 - x0)) > 1:
        pixels = stretched(pixels, (y1 - y0, x1 - x0))
    left, top = max(-x0, 0), max(-y0, 0)
    bottom, right = size_hw[0] - y0, size_hw[1] - x0
    inside = pixels[top : max(bottom, top), left : max(right, left)]
    return Mask.from_crop(inside, (max(x0, 0), max(y0, 0)), size_hw)


def stretched(pixels: NDArray[Any], shape: Size) -> NDArray[Any]:
    """Pixels (h, w) in another shape by nearest neighbors, so that every edge stays one."""
    rows = (np.arange(shape[0]) * 2 + 1) * pixels.shape[0] // (2 * shape[0])
    columns = (np.arange(shape[1]) * 2 + 1) * pixels.shape[1] // (2 * shape[1])
    return np.asarray(pixels[np.ix_(rows, columns)])
