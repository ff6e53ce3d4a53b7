"""Annotations <-> whole regions of Label Studio."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio.control_tags import (
    CONTROL_TAGS,
    EXACTNESS,
    SHAPE_READERS,
    ControlTag,
)
from premask.labels.label_studio.label_config import DEFAULT_NAMES, TagNames
from premask.labels.label_studio.shapes import Json
from premask.masks import Size

META_KEY = "premask"
"""Where in a region's `meta` premask says which object it shows. Label Studio keeps what it does
not know there, and writes a person's notes beside it."""


def regions_from_annotation(
    annotation: Annotation,
    size_hw: Size,
    *,
    index: int = 0,
    controls: Sequence[str] | None = None,
    names: TagNames = DEFAULT_NAMES,
    salt: str = "",
) -> list[Json]:
    """The regions that show one object; `index` is its place in the image.

    `controls` are the control tags to write with. By default it is a brush, soft where there is a
    matte, or a rectangle where there is no mask. Tags that need a mask are left out where there is
    none. Each part of an object is its own polygon; an ellipse is the upright one that fills the
    box. Where several regions show the object, their `meta` says so.

    The ids are the same in every run that finds the same object, and others with another `salt`.
    """
    default = ("RectangleLabels",) if annotation.mask is None else ("BrushLabels",)
    written = [
        (tag, value)
        for tag in map(CONTROL_TAGS.__getitem__, controls or default)
        for value in tag.values(annotation, size_hw)
    ]
    identity = _object_id(annotation, index, salt)
    regions: list[Json] = []
    for part, (tag, value) in enumerate(written):
        region: Json = {"id": _short_id(identity, part)} | _region(annotation, size_hw, tag, names)
        region["value"] = value
        if len(written) > 1:
            region["meta"] = {META_KEY: {"object": identity, "part": part}}
        regions.append(region)
    return regions


def annotations_from_regions(regions: Iterable[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    """Read regions of `READABLE_TYPES`, one annotation an object; others are passed over.

    Of the regions that premask wrote for the same object, the most exact ones count. A turned
    rectangle becomes the upright box around it.
    """
    shapes = (region for region in regions if region.get("type") in SHAPE_READERS)
    return tuple(map(_annotation, _by_object(shapes)))


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


def _region(annotation: Annotation, size_hw: Size, tag: ControlTag, names: TagNames) -> Json:
    """A region without its id and its value."""
    height, width = size_hw
    region: Json = {
        "type": tag.region_type,
        "from_name": names.of(tag.name),
        "to_name": names.image,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    return region if annotation.score is None else region | {"score": float(annotation.score)}


def _object_id(annotation: Annotation, index: int, salt: str) -> str:
    box = [float(side) for side in annotation.box_xyxy]
    counts = "" if annotation.mask is None else annotation.mask.counts.decode("ascii")
    return _short_id(salt, index, annotation.label, box, counts)


def _short_id(*content: object) -> str:
    """Ten characters, like Label Studio's own ids: a longer one squeezes its list of regions."""
    digest = hashlib.sha256(json.dumps(content).encode()).digest()
    return base64.urlsafe_b64encode(digest)[:10].decode("ascii")


def _by_object(regions: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The regions of each object together, in the order of their first ones.

    A person may copy a region, with its `meta`: a part that is there already begins a new object.
    So does a region that was given another label.
    """
    objects: list[list[Mapping[str, Any]]] = []
    open_objects: dict[str, tuple[list[Mapping[str, Any]], set[str]]] = {}
    for region in regions:
        name, part = _place_in_object(region)
        members, parts = open_objects.get(name, ([], {part}))
        if not name or part in parts:
            members, parts = [], set()
            objects.append(members)
            open_objects[name] = (members, parts)
        members.append(region)
        parts.add(part)
    return objects


def _place_in_object(region: Mapping[str, Any]) -> tuple[str, str]:
    """Which of premask's objects a region shows, and which part of it; "" for any other region."""
    meta = region.get("meta")
    said = meta.get(META_KEY) if isinstance(meta, Mapping) else None
    if not isinstance(said, Mapping) or "object" not in said:
        return "", ""
    value = region.get("value")
    labels = value.get(region["type"]) if isinstance(value, Mapping) else None
    return f"{said['object']} {labels}", str(said.get("part"))


def _annotation(regions: Sequence[Mapping[str, Any]]) -> Annotation:
    """The object that is shown by these regions."""
    most_exact = min((region["type"] for region in regions), key=EXACTNESS.__getitem__)
    first, *parts = (_read(region) for region in regions if region["type"] == most_exact)
    masks = [part.mask for part in parts if part.mask is not None]
    if first.mask is None or not masks:
        return first
    mask = first.mask.union(*masks)
    return replace(first, mask=mask, box_xyxy=mask.box_xyxy)


def _read(region: Mapping[str, Any]) -> Annotation:
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
