"""Fields of FiftyOne's polygons, class maps, heatmaps and keypoints -> what premask works with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.geometry import Box, hull, snapped
from premask.labels.coco_rle import mask_from_segmentation
from premask.labels.fiftyone import stretched
from premask.labels.png import masks_from_index
from premask.masks import Alpha, Mask, Matte, Size
from premask.prompts import Hint, Point

Pixels = NDArray[Any]

NEGATIVE = "negative"
"""The label of a keypoint whose points are on none of the objects."""

SIGNS = ("positive", "sam_labels", "sam2_labels")
"""Attributes of a keypoint that say of each point whether it is on the object; FiftyOne's own SAM
reads the last two."""


def annotation_from_polyline(fields: Mapping[str, Any], size_hw: Size) -> Annotation:
    """Read a polyline: the pixels inside its shapes, or the box of a line that encloses nothing.

    As in FiftyOne's own renderer, a shape inside another one is a hole.
    """
    shapes = [_pixel_points(shape, size_hw) for shape in fields.get("points") or ()]
    mask = None
    if fields.get("filled") or fields.get("closed"):
        insides = (_inside(shape, size_hw) for shape in shapes)
        mask = reduce(_exclusive, insides, Mask.empty(size_hw))
    return Annotation(
        label=fields.get("label") or "",
        box_xyxy=_box_of(shapes) if mask is None else mask.box_xyxy,
        score=fields.get("confidence"),
        mask=mask,
        track=fields.get("index"),
        source=tuple(fields.get("source") or ()),
    )


def hint_from_annotation(annotation: Annotation, track: int | None = None) -> Hint:
    """What a label says about where its object is; `track` is who it will be recognized by."""
    return Hint(
        label=annotation.label,
        box_xyxy=annotation.box_xyxy,
        mask=annotation.mask,
        score=annotation.score,
        track=track,
        source=annotation.source,
    )


def annotations_from_class_map(
    index: Pixels, targets: Mapping[Any, str], size_hw: Size, source: Sequence[str] = ()
) -> tuple[Annotation, ...]:
    """One annotation a class of a map (h, w), or of colors (h, w, 3); 0 and black are nothing.

    `targets` names the values, or the colors as '#rrggbb'. As in FiftyOne, what they don't name is
    nothing, and without any a value is its own name.
    """
    if index.ndim == 3:
        index = index[..., :3].astype(np.int64) @ (1 << 16, 1 << 8, 1)
    names = {_number(target): name for target, name in targets.items()}
    masks = masks_from_index(_fitted(index, size_hw))
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


def matte_from_heatmap(values: Pixels, limits: Sequence[float] | None, size_hw: Size) -> Matte:
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


def points_from_keypoint(fields: Mapping[str, Any], size_hw: Size) -> tuple[Point, ...]:
    """Read a keypoint's points as clicks on one object, but for those that are missing (NaN)."""
    label, points = fields.get("label") or "", fields.get("points") or ()
    signs = next((fields[name] for name in SIGNS if fields.get(name)), [True] * len(points))
    if len(signs) != len(points):
        raise InvalidMask(
            f"it has {len(points)} points, but says of {len(signs)} whether they are on the object"
        )
    known = [pair for pair in zip(points, signs, strict=True) if all(map(math.isfinite, pair[0]))]
    places = _pixel_points([point for point, _ in known], size_hw)
    return tuple(
        Point(x=x, y=y, positive=bool(positive), label=label)
        for (x, y), (_, positive) in zip(places, known, strict=True)
    )


def hints_from_clicks(clicks: Sequence[Sequence[Point]]) -> Iterator[Hint]:
    """One hint for each keypoint that has points; the negative ones hold for all others."""
    beside = [replace(p, positive=False) for each in clicks for p in each if p.label == NEGATIVE]
    for track, points in enumerate(clicks):
        if points and points[0].label != NEGATIVE:
            yield Hint(label=points[0].label, points=(*points, *beside), track=track)


def with_mattes(annotations: Sequence[Annotation], alpha: Matte) -> tuple[Annotation, ...]:
    """Give each mask its share of the image's alpha: what lies on it, or is nearest to it.

    A mask that is not what a threshold makes of its share was changed since: it gets no matte.
    """
    masks = {each.mask: None for each in annotations if each.mask is not None and each.mask.area}
    box = hull([alpha.box_xyxy, *(mask.box_xyxy for mask in masks)])
    shares = _shares([mask.crop(box) for mask in masks], alpha.crop(box))
    mattes = {
        mask: Matte.from_crop(share, box[:2], alpha.size_hw)
        for mask, share in zip(masks, shares, strict=True)
        if _agrees(mask.crop(box), share)
    }
    return tuple(
        replace(each, matte=mattes[each.mask]) if each.mask in mattes else each
        for each in annotations
    )


def _pixel_points(points: Sequence[Sequence[float]], size_hw: Size) -> list[tuple[float, float]]:
    height, width = size_hw
    return [(snapped(x * width), snapped(y * height)) for x, y in points]


def _inside(points: Sequence[tuple[float, float]], size_hw: Size) -> Mask:
    """The pixels that COCO's tools make of it; none for a line back and forth."""
    flat = [side for point in points for side in point]
    return mask_from_segmentation([flat] if len(points) > 2 else [], size_hw)


def _exclusive(mask: Mask, other: Mask) -> Mask:
    """The pixels of one but not of both."""
    return mask.union(other).difference(mask.intersection(other))


def _box_of(shapes: Sequence[Sequence[tuple[float, float]]]) -> Box:
    points = [point for shape in shapes for point in shape] or [(0.0, 0.0)]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _number(target: Any) -> int:
    """A value, or a color as 0xrrggbb; the database keeps both as texts."""
    text = str(target)
    return int(text[1:], 16) if text.startswith("#") else int(text)


def _fitted(values: Pixels, size_hw: Size) -> Pixels:
    """FiftyOne shows maps of any size stretched over their image."""
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
