"""Annotations <-> Label Studio's regions: brushes, rectangles, polygons and ellipses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.geometry import Box, clip_box, pixel_box, pixels_of_percent, snapped
from premask.images import digest_of
from premask.labels import brush_rle
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.label_studio.label_config import DEFAULT_TAGS, RegionKind, Tags
from premask.masks import HALF, Mask, Matte, Size

Json = dict[str, Any]


def regions_from_annotation(
    annotation: Annotation,
    size_hw: Size,
    *,
    index: int = 0,
    kinds: Sequence[RegionKind] | None = None,
    tags: Tags = DEFAULT_TAGS,
) -> list[Json]:
    """The regions that show one object; `index` is its place in the image.

    By default a brush, soft where there is a matte, or a rectangle where there is no mask. Kinds
    that need a mask are left out where there is none. Each part of an object is its own polygon;
    an ellipse is the upright one that fills the box.
    """
    default: Sequence[RegionKind] = ("rectangle",) if annotation.mask is None else ("brush",)
    return [
        _region(annotation, size_hw, kind, tags, f"{index}.{part}") | {"value": value}
        for kind in kinds or default
        for part, value in enumerate(_values(annotation, size_hw, kind))
    ]


def annotations_from_regions(regions: Iterable[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    """Read regions of `READABLE_TYPES`, one annotation each; others are passed over.

    A turned rectangle becomes the upright box around it.
    """
    return tuple(_annotation(region) for region in regions if region.get("type") in _READERS)


def _region(
    annotation: Annotation, size_hw: Size, kind: RegionKind, tags: Tags, place: str
) -> Json:
    """All of a region but its value."""
    height, width = size_hw
    region: Json = {
        "id": _region_id(annotation, kind, place),
        "type": f"{kind}labels",
        "from_name": getattr(tags, kind),
        "to_name": tags.image,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    return region if annotation.score is None else region | {"score": float(annotation.score)}


def _region_id(annotation: Annotation, kind: str, place: str) -> str:
    """The same object at the same place has the same id in every run; no two have the same."""
    box = [float(side) for side in annotation.box_xyxy]
    counts = "" if annotation.mask is None else annotation.mask.counts.decode("ascii")
    content = json.dumps([place, kind, annotation.label, box, counts])
    return digest_of(content.encode())[:16]


def _values(annotation: Annotation, size_hw: Size, kind: RegionKind) -> Iterator[Json]:
    labels = {f"{kind}labels": [annotation.label]}
    if kind == "rectangle":
        yield _percent_box(annotation.box_xyxy, size_hw) | labels
    elif kind == "ellipse":
        yield _percent_ellipse(annotation.box_xyxy, size_hw) | labels
    elif annotation.mask is None:
        return
    elif kind == "brush":
        data = brush_rle.encode(annotation.matte or annotation.mask)
        yield {"format": "rle", "rle": list(data)} | labels
    else:
        for polygon in mask_to_polygons(annotation.mask):
            yield {"points": _percent_points(polygon, size_hw), "closed": True} | labels


def _percent_box(box_xyxy: Box, size_hw: Size) -> Json:
    height, width = size_hw
    x0, y0, x1, y1 = (float(side) for side in clip_box(box_xyxy, size_hw))
    return {
        "x": 100 * x0 / width,
        "y": 100 * y0 / height,
        "width": 100 * (x1 - x0) / width,
        "height": 100 * (y1 - y0) / height,
        "rotation": 0,
    }


def _percent_ellipse(box_xyxy: Box, size_hw: Size) -> Json:
    """Label Studio has its center, and its radii as shares of the image's width and height."""
    box = _percent_box(box_xyxy, size_hw)
    across, down = box["width"] / 2, box["height"] / 2
    return {
        "x": box["x"] + across,
        "y": box["y"] + down,
        "radiusX": across,
        "radiusY": down,
        "rotation": 0,
    }


def _percent_points(polygon: Sequence[float], size_hw: Size) -> list[list[float]]:
    height, width = size_hw
    return [
        [100 * x / width, 100 * y / height]
        for x, y in zip(polygon[0::2], polygon[1::2], strict=True)
    ]


def _annotation(region: Mapping[str, Any]) -> Annotation:
    try:
        size_hw = (int(region["original_height"]), int(region["original_width"]))
        kind, value = region["type"], region["value"]
        box_xyxy, mask, matte = _READERS[kind](value, size_hw)
        label = next(iter(value.get(kind, ())), "")
    except (InvalidMask, KeyError, TypeError, ValueError) as error:
        raise InvalidMask(
            f"Region {region.get('id')!r} can't be read: {type(error).__name__}: {error}. "
            "Correct it in Label Studio, or delete it."
        ) from error
    return Annotation(
        label=label, box_xyxy=box_xyxy, score=region.get("score"), mask=mask, matte=matte
    )


Shape = tuple[Box, Mask | None, Matte | None]


def _brush_shape(value: Mapping[str, Any], size_hw: Size) -> Shape:
    """A brush of nothing but 0 and 255 is a mask, any other a matte."""
    alpha = brush_rle.decode(value["rle"], size_hw)
    mask = Mask.from_array(alpha >= HALF)
    soft = bool(((alpha > 0) & (alpha < 255)).any())
    return mask.box_xyxy, mask, Matte.from_array(alpha) if soft else None


def _rectangle_shape(value: Mapping[str, Any], size_hw: Size) -> Shape:
    """Label Studio turns a rectangle clockwise around its upper left corner."""
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    w, h = pixels_of_percent((value["width"], value["height"]), size_hw)
    cosine, sine = _turn(value.get("rotation", 0))
    xs = [x, x + w * cosine, x - h * sine, x + w * cosine - h * sine]
    ys = [y, y + w * sine, y + h * cosine, y + w * sine + h * cosine]
    return (snapped(min(xs)), snapped(min(ys)), snapped(max(xs)), snapped(max(ys))), None, None


def _turn(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def _polygon_shape(value: Mapping[str, Any], size_hw: Size) -> Shape:
    flat = [
        snapped(side) for x, y in value["points"] for side in pixels_of_percent((x, y), size_hw)
    ]
    mask = mask_from_segmentation([flat], size_hw)
    return mask.box_xyxy, mask, None


def _ellipse_shape(value: Mapping[str, Any], size_hw: Size) -> Shape:
    """Pixels whose centers lie inside; Label Studio turns an ellipse clockwise around its own."""
    x, y = pixels_of_percent((value["x"], value["y"]), size_hw)
    across, down = pixels_of_percent((value["radiusX"], value["radiusY"]), size_hw)
    if across <= 0 or down <= 0:
        raise ValueError("an ellipse has a width and a height")
    cosine, sine = _turn(value.get("rotation", 0))
    half_width = math.hypot(across * cosine, down * sine)
    half_height = math.hypot(across * sine, down * cosine)
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    x0, y0, x1, y1 = pixel_box(box, size_hw)
    right, below = np.arange(x0, x1) + 0.5 - x, np.arange(y0, y1)[:, None] + 0.5 - y
    along = (right * cosine + below * sine) / across
    aside = (below * cosine - right * sine) / down
    mask = Mask.from_crop(along**2 + aside**2 <= 1, (x0, y0), size_hw)
    return (snapped(box[0]), snapped(box[1]), snapped(box[2]), snapped(box[3])), mask, None


_READERS: dict[str, Callable[[Mapping[str, Any], Size], Shape]] = {
    "brushlabels": _brush_shape,
    "rectanglelabels": _rectangle_shape,
    "polygonlabels": _polygon_shape,
    "ellipselabels": _ellipse_shape,
}
READABLE_TYPES = frozenset(_READERS)
