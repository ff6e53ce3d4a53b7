"""Annotations <-> whole regions of Label Studio."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.images import digest_of
from premask.labels.label_studio.control_tags import CONTROL_TAGS, SHAPE_READERS, ControlTag
from premask.labels.label_studio.label_config import DEFAULT_NAMES, TagNames
from premask.labels.label_studio.shapes import Json
from premask.masks import Size


def regions_from_annotation(
    annotation: Annotation,
    size_hw: Size,
    *,
    index: int = 0,
    controls: Sequence[str] | None = None,
    names: TagNames = DEFAULT_NAMES,
) -> list[Json]:
    """The regions that show one object; `index` is its place in the image.

    `controls` are the control tags to write with. By default it is a brush, soft where there is a
    matte, or a rectangle where there is no mask. Tags that need a mask are left out where there is
    none. Each part of an object is its own polygon; an ellipse is the upright one that fills the
    box.
    """
    default = ("RectangleLabels",) if annotation.mask is None else ("BrushLabels",)
    return [
        _region(annotation, size_hw, tag, names, f"{index}.{part}") | {"value": value}
        for tag in map(CONTROL_TAGS.__getitem__, controls or default)
        for part, value in enumerate(tag.values(annotation, size_hw))
    ]


def annotations_from_regions(regions: Iterable[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    """Read regions of `READABLE_TYPES`, one annotation each; others are passed over.

    A turned rectangle becomes the upright box around it.
    """
    return tuple(_annotation(region) for region in regions if region.get("type") in SHAPE_READERS)


def with_own_labels(regions: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Regions with their labels in them, as <RectangleLabels> writes them.

    Where a config has <Rectangle> and <Labels> instead, the label is an item of its own, which has
    the id of the shape. The type of the shape is then "rectangle" instead of "rectanglelabels".
    """
    labels = {
        region.get("id"): region["value"].get("labels", [])
        for region in regions
        if region.get("type") == "labels"
    }
    for region in regions:
        if region.get("type") == "labels":
            continue
        region_type = f"{region.get('type')}labels"
        if region_type in SHAPE_READERS:
            value = {**region["value"], region_type: labels.get(region.get("id"), [])}
            yield {**region, "type": region_type, "value": value}
        else:
            yield region


def _region(
    annotation: Annotation, size_hw: Size, tag: ControlTag, names: TagNames, place: str
) -> Json:
    """A region without its value."""
    height, width = size_hw
    region: Json = {
        "id": _region_id(annotation, tag, place),
        "type": tag.region_type,
        "from_name": names.of(tag.name),
        "to_name": names.image,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    return region if annotation.score is None else region | {"score": float(annotation.score)}


def _region_id(annotation: Annotation, tag: ControlTag, place: str) -> str:
    """An id that is unique in an image, and the same in every run that finds the same object."""
    box = [float(side) for side in annotation.box_xyxy]
    counts = "" if annotation.mask is None else annotation.mask.counts.decode("ascii")
    content = json.dumps([place, tag.default_name, annotation.label, box, counts])
    return digest_of(content.encode())[:16]


def _annotation(region: Mapping[str, Any]) -> Annotation:
    try:
        size_hw = (int(region["original_height"]), int(region["original_width"]))
        region_type, value = region["type"], region["value"]
        box_xyxy, mask, matte = SHAPE_READERS[region_type](value, size_hw)
        label = next(iter(value.get(region_type, ())), "")
    except (InvalidMask, KeyError, TypeError, ValueError) as error:
        raise InvalidMask(
            f"Region {region.get('id')!r} can't be read: {type(error).__name__}: {error}. "
            "Correct it in Label Studio, or delete it."
        ) from error
    return Annotation(
        label=label, box_xyxy=box_xyxy, score=region.get("score"), mask=mask, matte=matte
    )
