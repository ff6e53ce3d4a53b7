"""What a tag shows of a task's data: `$image`, `$meta.images[0]`, a list, or a text with such."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACE = re.compile(r"\$[\w\[\].]+")
"""As Label Studio's editor finds them in the `value` of a tag."""


def shown(value: str, data: Mapping[str, Any]) -> str:
    """The text that a tag with this value shows; empty where the data lack a part of it.

    >>> shown("$meta.pages[1]", {"meta": {"pages": ["a.png", "b.png"]}})
    'b.png'
    >>> shown("https://host/$name", {"name": "c.png"}), shown("$gone", {"name": "c.png"})
    ('https://host/c.png', '')
    """
    # Names may have characters that end a place: the whole of it can be one name.
    places = [value] if value[:1] == "$" and value[1:] in data else _PLACE.findall(value)
    for place in places:
        found = _at(place[1:], data)
        if not isinstance(found, str | int) or found == "":
            return ""
        value = value.replace(place, str(found), 1)
    return value


def shown_list(value: str, data: Mapping[str, Any]) -> list[Any]:
    """The items of a list of a task's data, as in `$pages`; none where there is no list.

    >>> shown_list("$meta.pages", {"meta": {"pages": ["a.png", "b.png"]}})
    ['a.png', 'b.png']
    """
    found = _at(value[1:], data) if value[:1] == "$" else None
    return found if isinstance(found, list) else []


def _at(path: str, data: Any) -> Any:
    """What is at a path; a name may have dots and brackets itself."""
    if isinstance(data, Mapping) and path in data:
        return data[path]
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, Mapping):
            data = data.get(name)
        elif isinstance(data, list) and name.isdecimal() and int(name) < len(data):
            data = data[int(name)]
        else:
            return None
    return data
