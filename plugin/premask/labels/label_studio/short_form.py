"""The regions of JSON_MIN, whose items have the value and the size in one object, and no type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from premask.labels.label_studio.control_tags import READABLE_TYPES
from premask.labels.label_studio.regions import LABEL_TYPES
from premask.labels.label_studio.shapes import Json

_REGION_KEYS = ("original_width", "original_height", "item_index")

_PLAIN_TYPES = {
    "imageDataURL": "bitmask",
    "rle": "brush",
    "points": "polygon",
    "radiusX": "ellipse",
    "height": "rectangle",
}
"""What a shape without labels is, by a key that only such have."""


def short_regions(record: Mapping[str, Any]) -> list[Json]:
    """The regions in the lists of a record; `id` is the name of the list.

    A plain shape and its labels are two items, of which the second repeats the shape, and nothing
    else says that they belong together.
    """
    items = [
        (name, value)
        for name, values in record.items()
        for value in (values if isinstance(values, list) else ())
        if isinstance(value, dict)
    ]
    labeled = [_shape(value) for _, value in items if any(key in value for key in LABEL_TYPES)]
    regions: list[Json] = []
    for place, (name, value) in enumerate(items):
        own_type = next((key for key in value if key in READABLE_TYPES), "")
        plain_type = next((kind for key, kind in _PLAIN_TYPES.items() if key in value), "")
        told = {key: value[key] for key in _REGION_KEYS if key in value}
        said = next((key for key in reversed(LABEL_TYPES) if key in value), "")
        region = {"id": name, "type": own_type, "value": value, **told}
        if own_type or not plain_type:
            regions.append(region)
        elif said:
            own = {"id": f"{name} {place}"}
            regions += [region | own | {"type": plain_type}, region | own | {"type": said}]
        elif _shape(value) not in labeled:
            regions.append(region | {"type": plain_type})
    return regions


def _shape(value: Json) -> Json:
    return {key: part for key, part in value.items() if key not in LABEL_TYPES}
