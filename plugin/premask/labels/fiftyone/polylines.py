"""Annotations <-> FiftyOne's polylines: outlines along the edges of the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from premask.annotations import Annotation
from premask.geometry import Box
from premask.labels.coco_rle import mask_from_segmentation, mask_to_polygons
from premask.labels.fiftyone.fields import Fields, described_fields, pixel_points
from premask.masks import Mask, Size


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
        [(x / width, y / height) for x, y in zip(outline[::2], outline[1::2], strict=True)]
        for outline in outlines
    ]
    return described_fields(annotation) | {"points": points, "closed": True, "filled": True}


def annotation_from_polyline(fields: Mapping[str, Any], size_hw: Size) -> Annotation:
    """Read a polyline: the pixels inside its shapes, or the box of a line that encloses nothing.

    As in FiftyOne's own renderer, a shape inside another one is a hole.
    """
    shapes = [pixel_points(shape, size_hw) for shape in fields.get("points") or ()]
    mask = None
    if fields.get("filled") or fields.get("closed"):
        # A shape of two points is a line back and forth: it has no pixels inside.
        polygons = [np.ravel(shape).tolist() for shape in shapes if len(shape) > 2]
        insides = (mask_from_segmentation([polygon], size_hw) for polygon in polygons)
        mask = reduce(_exclusive, insides, Mask.empty(size_hw))
    return Annotation(
        label=fields.get("label") or "",
        box_xyxy=_box_of(shapes) if mask is None else mask.box_xyxy,
        score=fields.get("confidence"),
        mask=mask,
        track=fields.get("index"),
        source=tuple(fields.get("source") or ()),
    )


def _exclusive(mask: Mask, other: Mask) -> Mask:
    """The pixels of one but not of both."""
    return mask.union(other).difference(mask.intersection(other))


def _box_of(shapes: Sequence[Sequence[tuple[float, float]]]) -> Box:
    points = [point for shape in shapes for point in shape] or [(0.0, 0.0)]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
