"""Which images a task of an export has, and which of its regions lie on each.

An export does not tell what the tags of its project show. So that is concluded from the names of
the tags, from the places of the regions in a list, and from what looks like an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from premask.errors import InvalidMask
from premask.images import SUFFIXES
from premask.labels.label_studio.regions import is_on_page
from premask.labels.label_studio.shapes import Json

_NUMBERED = re.compile(r"(\d+)$")
"""The end of a name that a <Repeater> makes, as `page_{{idx}}`."""


def images_of_task(
    data: Mapping[str, Any], regions: Sequence[Json]
) -> Iterator[tuple[str, Sequence[Json]]]:
    """The address of each image, and its regions; the pages of a list come one by one."""
    pages = _pages(data)
    names = dict.fromkeys(_tag(region) for region in regions if "original_width" in region)
    if pages and any("item_index" in region for region in regions):
        for place, page in enumerate(pages):
            yield page, [region for region in regions if is_on_page(region, place)]
    elif pages and "image" not in data and all(map(_NUMBERED.search, names)):
        for place, page in enumerate(pages):
            yield page, [region for region in regions if _number(_tag(region)) == place]
    elif names.keys() - {""} and all(_looks_like_image(data.get(name)) for name in names):
        for name in names:
            yield str(data[name]), [region for region in regions if _tag(region) == name]
    elif len(names) > 1 or (pages and "image" not in data):
        images = ", ".join(filter(None, names)) or ", ".join(pages)
        raise InvalidMask(
            f"A task has several images ({images}), and the export does not tell which of them its "
            "regions are on. JSON tells more than JSON_MIN, and `python -m ml_backend pull` asks "
            "Label Studio."
        )
    else:
        yield _address(data), regions


def _address(data: Mapping[str, Any]) -> str:
    """The image of a task, which most projects call `image`, or else what looks like one."""
    if "image" in data:
        return str(data["image"])
    for value in data.values():
        if _looks_like_image(value):
            return str(value)
    raise KeyError("image")


def _pages(data: Mapping[str, Any]) -> list[str]:
    """The first list of images, or of objects with an image each."""
    for value in data.values():
        if isinstance(value, list) and value:
            items = [
                next(filter(_looks_like_image, item.values()), None)
                if isinstance(item, dict)
                else item
                for item in value
            ]
            if all(map(_looks_like_image, items)):
                return list(map(str, items))
    return []


def _looks_like_image(value: object) -> bool:
    # The name is the path of an address, or what it asks for: /data/local-files/?d=cat.jpg
    parts = urlsplit(value) if isinstance(value, str) else ()
    return any(PurePosixPath(part).suffix.lower() in SUFFIXES for part in parts)


def _tag(region: Json) -> str:
    return str(region.get("to_name", ""))


def _number(name: str) -> int | None:
    found = _NUMBERED.search(name)
    return int(found[1]) if found else None
