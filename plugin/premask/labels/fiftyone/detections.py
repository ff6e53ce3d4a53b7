"""Annotations <-> FiftyOne's detections, placed so that its renderers keep every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from premask.annotations import Annotation
from premask.files import write_atomically
from premask.geometry import Box, IntBox, snapped
from premask.labels.fiftyone.brushed import ORIGINAL, unbrushed
from premask.labels.fiftyone.fields import Fields, described_fields, stretched
from premask.labels.png import png_from_gray
from premask.masks import Mask, Size

NUDGE = 1e-6
"""In pixels. FiftyOne rounds corners down (eta/core/geometry.py, 0.17): what should be 7 and is
6.9999999 becomes 6, and the mask is then stretched. A millionth more keeps it at 7."""


def detection_from_annotation(
    annotation: Annotation, size_hw: Size, mask_path: Path | None = None
) -> Fields:
    """Fields for `fiftyone.Detection(**fields)`: its box is the mask's where there is one.

    With a path the mask is written there, as a PNG of 0 and 255.
    """
    fields = described_fields(annotation)
    if annotation.mask is None:
        return fields | {"bounding_box": _unit_box(annotation.box_xyxy, size_hw, nudge=0)}
    x0, y0, x1, y1 = annotation.mask.box_xyxy
    # FiftyOne can't export a mask of 0 x 0: one without any pixel is shown as one that is not set.
    box = (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))
    fields["bounding_box"] = _unit_box(box, size_hw, nudge=NUDGE)
    pixels = np.ascontiguousarray(annotation.mask.crop(box))
    if mask_path is None:
        return fields | {"mask": pixels}
    png = png_from_gray(pixels.view(np.uint8) * np.uint8(255))
    return fields | {"mask_path": str(write_atomically(mask_path, png))}


def annotation_from_detection(fields: Mapping[str, Any], size_hw: Size) -> Annotation:
    """Read a detection; its mask is an array (h, w), a picture (h, w, colors), or None.

    What FiftyOne's brush made coarse is as exact as it was, where `ORIGINAL` is among the fields.
    """
    box_xyxy = _pixel_box(fields["bounding_box"], size_hw)
    mask = None
    if fields.get("mask") is not None:
        mask = _read_mask(fields["mask"], box_xyxy, size_hw, fields.get(ORIGINAL))
        box_xyxy = mask.box_xyxy
    return Annotation(
        label=fields.get("label") or "",
        box_xyxy=box_xyxy,
        score=fields.get("confidence"),
        mask=mask,
        track=fields.get("index"),
        source=tuple(fields.get("source") or ()),
        crowd=bool(fields.get("iscrowd")),
        keyframe=bool(fields.get("keyframe")),
    )


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


def _read_mask(
    mask: ArrayLike, box_xyxy: Box, size_hw: Size, original: Mapping[str, Any] | None
) -> Mask:
    pixels = np.asarray(mask) != 0
    if pixels.ndim == 3:
        pixels = pixels[..., :3].any(axis=-1)
    x0, y0, x1, y1 = (round(side) for side in box_xyxy)
    if original is not None and pixels.shape != (y1 - y0, x1 - x0):
        known = Mask.from_rle(original)
        read = unbrushed(pixels, box_xyxy, known) if known.size_hw == size_hw else None
        if read is not None:
            return read
    return _placed_mask(pixels, (x0, y0, x1, y1), size_hw)


def _placed_mask(pixels: NDArray[np.bool_], box: IntBox, size_hw: Size) -> Mask:
    """The mask where the box rounds to, stretched only if its size is another."""
    x0, y0, x1, y1 = box
    if abs(pixels.shape[0] - (y1 - y0)) > 1 or abs(pixels.shape[1] - (x1 - x0)) > 1:
        pixels = stretched(pixels, (y1 - y0, x1 - x0))
    left, top = max(-x0, 0), max(-y0, 0)
    bottom, right = size_hw[0] - y0, size_hw[1] - x0
    inside = pixels[top : max(bottom, top), left : max(right, left)]
    return Mask.from_crop(inside, (max(x0, 0), max(y0, 0)), size_hw)
