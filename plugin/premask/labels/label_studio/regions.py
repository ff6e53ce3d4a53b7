"""Annotations <-> whole regions of Label Studio."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio.control_tags import (
    CONTROL_TAGS,
    EXACTNESS,
    SHAPE_READERS,
    ControlTag,
)
from premask.labels.label_studio.label_config import (
    DEFAULT_NAMES,
    PATH_SEPARATOR,
    LabelList,
    TagNames,
)
from premask.labels.label_studio.shapes import Json
from premask.masks import Size

LABEL_TYPES = ("choices", "taxonomy", "labels")
"""What says the labels of plain shapes; of several, the last one counts."""

META_KEY = "premask"
"""Where in a region's `meta` premask says which object it shows. Label Studio keeps what it does
not know there, and writes a person's notes beside it."""


def regions_from_annotation(
    annotation: Annotation,
    size_hw: Size,
    *,
    index: int = 0,
    controls: Sequence[str] | None = None,
    painted_with: str = "BrushLabels",
    names: TagNames = DEFAULT_NAMES,
    turned: bool = False,
    salt: str = "",
    known_as: Mapping[str, Any] | None = None,
) -> list[Json]:
    """The regions that show one object; `index` is its place in the image.

    `controls` are the control tags to write with. By default it is a brush (`painted_with`), soft
    where there is a matte, or a rectangle where there is no mask. Tags that need a mask are left
    out where there is none. Each part of an object is its own polygon; an ellipse is the upright
    one that fills the box; `turned` makes rectangles the smallest ones around the mask. Where
    several regions show the object, their `meta` says so. A plain tag's region is followed by that
    of its label.

    The ids are the same in every run that finds the same object, and others with another `salt`.
    `known_as` is for an object that somebody will ask for again: all its regions keep this in their
    `meta`, and its "object", a name that no other object has, makes their ids.
    """
    default = ("RectangleLabels",) if annotation.mask is None else (painted_with,)
    written = [
        (tag, value)
        for tag in map(CONTROL_TAGS.__getitem__, controls or default)
        for value in tag.values(annotation, size_hw, turned=turned)
    ]
    identity = known_as["object"] if known_as else _object_id(annotation, index, salt)
    regions: list[Json] = []
    for part, (tag, value) in enumerate(written):
        region: Json = {"id": _short_id(identity, part)} | _region(annotation, size_hw, tag, names)
        region["value"] = value
        if len(written) > 1 or known_as:
            region["meta"] = {META_KEY: {"object": identity, "part": part, **(known_as or {})}}
        regions.append(region)
        if tag.is_plain:
            regions.append(_label_region(region, annotation.label, names.labels))
    return regions


def annotations_from_regions(regions: Iterable[Mapping[str, Any]]) -> tuple[Annotation, ...]:
    """Read regions of `READABLE_TYPES`, one annotation an object; others are passed over.

    Of the regions that premask wrote for the same object, the most exact ones count.
    """
    return tuple(shown.annotation for shown in objects_from_regions(regions))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownObject:
    """An object and the regions that show it, which have their labels in them."""

    annotation: Annotation
    regions: Sequence[Mapping[str, Any]]

    @property
    def known_as(self) -> Mapping[str, Any]:
        """What its regions were given to be known by; empty for what a person has drawn."""
        return next(filter(None, map(_known_as, self.regions)), {})

    @property
    def is_copy(self) -> bool:
        """Whether a person copied it: its `meta` is another object's then, and its id is not."""
        own = self.known_as
        return bool(own) and not any(
            region.get("id") == _short_id(own["object"], own.get("part")) for region in self.regions
        )


def objects_from_regions(regions: Iterable[Mapping[str, Any]]) -> tuple[ShownObject, ...]:
    """The objects that regions of `READABLE_TYPES` show, in the order of their first regions."""
    own = with_own_labels(tuple(regions))
    shapes = (region for region in own if region.get("type") in SHAPE_READERS)
    return tuple(
        ShownObject(annotation=_annotation(members), regions=members)
        for members in _by_object(shapes)
    )


def with_own_labels(regions: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Regions with their labels in them, as <RectangleLabels> writes them.

    Where a config has <Rectangle> instead, the label is an item of its own, which has the id of the
    shape: of <Labels>, of a <Taxonomy>, or of <Choices>. The type of the shape is then "rectangle"
    instead of "rectanglelabels".
    """
    plain = {region.get("id") for region in regions if _labeled_type(region) in SHAPE_READERS}
    labels = {
        region.get("id"): labels
        for region_type in LABEL_TYPES
        for region in regions
        if region.get("type") == region_type and (labels := said_labels(region["value"]))
    }
    for region in regions:
        identifier, region_type = region.get("id"), _labeled_type(region)
        if region_type in SHAPE_READERS:
            value = {**region["value"], region_type: labels.get(identifier, [])}
            yield {**region, "type": region_type, "value": value}
        elif region.get("type") not in LABEL_TYPES or _is_own(region, plain):
            yield region


def is_on_page(region: Mapping[str, Any], item_index: int | None) -> bool:
    """Whether a region lies on this image of a list (`valueList`), or on the only one (None)."""
    return item_index is None or (region.get("item_index") or 0) == item_index


def said_labels(value: Mapping[str, Any]) -> list[str]:
    """The labels in the value of a label list's region; a path of a taxonomy is one."""
    items = next((value[name] for name in reversed(LABEL_TYPES) if name in value), ())
    return [
        PATH_SEPARATOR.join(map(str, item)) if isinstance(item, list) else item
        for item in (items if isinstance(items, list) else ())
    ]


def _labeled_type(region: Mapping[str, Any]) -> str:
    """What the type of a plain shape would be with labels in it."""
    return f"{region.get('type')}labels"


def _is_own(region: Mapping[str, Any], plain: Collection[object]) -> bool:
    """Whether a choice is said of the image, or of a shape that has labels beside it."""
    return region.get("type") != "labels" and region.get("id") not in plain


def _label_region(region: Json, label: str, labels: LabelList) -> Json:
    """The item that says the label of a plain shape; the editor repeats the shape in it."""
    return {
        **region,
        "type": labels.tag.lower(),
        "from_name": labels.name,
        "value": region["value"] | labels.said(label),
    }


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
    said = _known_as(region)
    if not said:
        return "", ""
    value = region.get("value")
    labels = value.get(region["type"]) if isinstance(value, Mapping) else None
    return f"{said['object']} {labels}", str(said.get("part"))


def _known_as(region: Mapping[str, Any]) -> Mapping[str, Any]:
    """What premask noted in a region's `meta`; empty where it did not."""
    meta = region.get("meta")
    said = meta.get(META_KEY) if isinstance(meta, Mapping) else None
    return said if isinstance(said, Mapping) and "object" in said else {}


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
