"""Shapes of objects <-> the values of Label Studio's regions: brush, rectangle, polygon, ellipse.

A `..._values` function yields one value for each region that shows the object, without its label; a
`..._shape` function reads one back. Coordinates are percent of the image's width and height.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from premask.annotations import Annotation
from premask.geometry import Box, clip_box, pixel_box, pixels_of_percent, snapped
from premask.labels import brush_rle
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.png import mask_from_painted_png
from premask.masks import HALF, Mask, Matte, Size

Json = dict[str, Any]
Value = Mapping[str, Any]
Shape = tuple[Box, Mask | None, Matte | None]


def brush_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    if annotation.mask is not None:
        data = brush_rle.encode(annotation.matte or annotation.mask)
        yield {"format": "rle", "rle": list(data)}


def brush_shape(value: Value, size_hw: Size) -> Shape:
    """A brush of nothing but 0 and 255 is a mask, any other is a matte."""
    alpha = brush_rle.decode(value["rle"], size_hw)
    mask = Mask.from_array(alpha >= HALF)
    soft = bool(((alpha > 0) & (alpha < 255)).any())
    return mask.box_xyxy, mask, Matte.from_array(alpha) if soft else None


def bitmask_shape(value: Value, size_hw: Size) -> Shape:
    """A PNG in a data URL: what is not transparent, or not black where nothing is transparent."""
    head, _, data = str(value["imageDataURL"]).partition(",")
    if not head.startswith("data:image/png"):
        raise ValueError(f"a bitmask is a PNG in a data URL; this begins with {head[:30]!r}")
    mask = mask_from_painted_png(base64.b64decode(data, validate=True), size_hw)
    return mask.box_xyxy, mask, None


def rectangle_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    yield percent_box(annotation.box_xyxy, size_hw)


def rectangle_shape(value: Value, size_hw: Size) -> Shape:
    """The upright box around a rectangle, which may be turned.

    Label Studio turns a rectangle clockwise around its upper left corner.
    """
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    width, height = pixels_of_percent((value["width"], value["height"]), size_hw)
    cosine, sine = _cosine_and_sine(value.get("rotation", 0))
    xs = [x, x + width * cosine, x - height * sine, x + width * cosine - height * sine]
    ys = [y, y + width * sine, y + height * cosine, y + width * sine + height * cosine]
    return (snapped(min(xs)), snapped(min(ys)), snapped(max(xs)), snapped(max(ys))), None, None


def polygon_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    """One polygon for each part of the mask."""
    if annotation.mask is None:
        return
    height, width = size_hw
    for polygon in mask_to_polygons(annotation.mask):
        points = [
            [100 * x / width, 100 * y / height]
            for x, y in zip(polygon[0::2], polygon[1::2], strict=True)
        ]
        yield {"points": points, "closed": True}


def polygon_shape(value: Value, size_hw: Size) -> Shape:
    flat = [
        snapped(side) for x, y in value["points"] for side in pixels_of_percent((x, y), size_hw)
    ]
    mask = mask_from_segmentation([flat], size_hw)
    return mask.box_xyxy, mask, None


def ellipse_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    """The upright ellipse that fills the box, by its center and its radii."""
    box = percent_box(annotation.box_xyxy, size_hw)
    across, down = box["width"] / 2, box["height"] / 2
    yield {
        "x": box["x"] + across,
        "y": box["y"] + down,
        "radiusX": across,
        "radiusY": down,
        "rotation": 0,
    }


def ellipse_shape(value: Value, size_hw: Size) -> Shape:
    """Pixels whose centers lie inside; Label Studio turns an ellipse clockwise around its own."""
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    across, down = pixels_of_percent((value["radiusX"], value["radiusY"]), size_hw)
    if across <= 0 or down <= 0:
        raise ValueError("an ellipse has a width and a height")
    cosine, sine = _cosine_and_sine(value.get("rotation", 0))
    half_width = math.hypot(across * cosine, down * sine)
    half_height = math.hypot(across * sine, down * cosine)
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    x0, y0, x1, y1 = pixel_box(box, size_hw)
    right, below = np.arange(x0, x1) + 0.5 - x, np.arange(y0, y1)[:, None] + 0.5 - y
    along = (right * cosine + below * sine) / across
    aside = (below * cosine - right * sine) / down
    mask = Mask.from_crop(along**2 + aside**2 <= 1, (x0, y0), size_hw)
    return (snapped(box[0]), snapped(box[1]), snapped(box[2]), snapped(box[3])), mask, None


def percent_box(box_xyxy: Box, size_hw: Size) -> Json:
    """A box as Label Studio writes it: its upper left corner, its sides, and that it is upright."""
    height, width = size_hw
    x0, y0, x1, y1 = (float(side) for side in clip_box(box_xyxy, size_hw))
    return {
        "x": 100 * x0 / width,
        "y": 100 * y0 / height,
        "width": 100 * (x1 - x0) / width,
        "height": 100 * (y1 - y0) / height,
        "rotation": 0,
    }


def _cosine_and_sine(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
