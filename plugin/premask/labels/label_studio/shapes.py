"""Shapes of objects <-> values of Label Studio's regions: bitmask, brush, polygon, box, ellipse.

A `..._values` function yields one value for each region that shows the object, without its label; a
`..._shape` function reads one back. Coordinates are percent of the image's width and height.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from premask.annotations import Annotation
from premask.geometry import Box, clip_box, pixel_box, pixels_of_percent, snapped
from premask.labels import brush_rle
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.label_studio.turned_boxes import smallest_box
from premask.labels.png import alpha_from_painted_png, png_from_alpha
from premask.masks import HALF, Alpha, Mask, Matte, Size

Json = dict[str, Any]
Value = Mapping[str, Any]
Shape = tuple[Box, Mask | None, Matte | None]

_PNG_URL = "data:image/png;base64,"


def brush_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    if annotation.mask is not None:
        data = brush_rle.encode(annotation.matte or annotation.mask)
        yield {"format": "rle", "rle": list(data)}


def brush_shape(value: Value, size_hw: Size) -> Shape:
    return _painted_shape(brush_rle.decode(value["rle"], size_hw))


def bitmask_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    if annotation.mask is not None:
        matte, mask = annotation.matte, annotation.mask
        alpha = (
            mask.to_array().view(np.uint8) * np.uint8(255) if matte is None else matte.to_array()
        )
        data = png_from_alpha(alpha)
        yield {"imageDataURL": _PNG_URL + base64.b64encode(data).decode("ascii")}


def bitmask_shape(value: Value, size_hw: Size) -> Shape:
    """A PNG in a data URL, black and as opaque as the object; the editor's own pen is soft, too."""
    head, _, data = str(value["imageDataURL"]).partition(",")
    if not head.startswith("data:image/png"):
        raise ValueError(f"a bitmask is a PNG in a data URL; this begins with {head[:30]!r}")
    return _painted_shape(alpha_from_painted_png(base64.b64decode(data, validate=True), size_hw))


def rectangle_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    yield percent_box(annotation.box_xyxy, size_hw)


def turned_rectangle_values(annotation: Annotation, size_hw: Size) -> Iterator[Json]:
    """The smallest rectangle around the mask, or the upright box where there is no mask."""
    if annotation.mask is None or not annotation.mask.area:
        yield from rectangle_values(annotation, size_hw)
        return
    (x, y), (across, down), degrees = smallest_box(annotation.mask)
    height, width = size_hw
    yield {
        "x": 100 * x / width,
        "y": 100 * y / height,
        "width": 100 * across / width,
        "height": 100 * down / height,
        "rotation": degrees,
    }


def rectangle_shape(value: Value, size_hw: Size) -> Shape:
    """The box, and the mask of a rectangle that is turned by less than a right angle."""
    corners = _corners(value, size_hw)
    if value.get("rotation", 0) % 90 == 0:
        return _box_around(corners), None, None
    flat = [snapped(side) for corner in corners for side in corner]
    return _box_around(corners), mask_from_segmentation([flat], size_hw), None


def rectangle_box(value: Value, size_hw: Size) -> Box:
    """The upright box around a rectangle, which may be turned."""
    return _box_around(_corners(value, size_hw))


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


def _corners(value: Value, size_hw: Size) -> list[tuple[float, float]]:
    """Label Studio turns a rectangle clockwise around its upper left corner."""
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    width, height = pixels_of_percent((value["width"], value["height"]), size_hw)
    cosine, sine = _cosine_and_sine(value.get("rotation", 0))
    right, below = (width * cosine, width * sine), (-height * sine, height * cosine)
    return [
        (x, y),
        (x + right[0], y + right[1]),
        (x + right[0] + below[0], y + right[1] + below[1]),
        (x + below[0], y + below[1]),
    ]


def _box_around(corners: Sequence[tuple[float, float]]) -> Box:
    xs, ys = zip(*corners, strict=True)
    return snapped(min(xs)), snapped(min(ys)), snapped(max(xs)), snapped(max(ys))


def _painted_shape(alpha: Alpha) -> Shape:
    """Nothing but 0 and 255 is a mask, anything else is a matte."""
    mask = Mask.from_array(alpha >= HALF)
    soft = bool(((alpha > 0) & (alpha < 255)).any())
    return mask.box_xyxy, mask, Matte.from_array(alpha) if soft else None


def _cosine_and_sine(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
