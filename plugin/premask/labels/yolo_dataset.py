"""The names of the classes <-> data.yaml, the file in which YOLO keeps what holds for a dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from premask.errors import InvalidMask

DATASET_NAME = "data.yaml"

# What data.yaml is read with: premask's core has no reader of YAML, and needs one key of it. The
# names are a list or a table from numbers to names, on lines of their own or in brackets.
_QUOTED = r""" "(?:[^"\\]|\\.)*" | '(?:[^']|'')*' """
_IN_BRACKETS = re.compile(rf"[\[{{] (?P<items>(?: {_QUOTED} | [^\]}}] )*) [\]}}]", re.VERBOSE)
_ITEM_IN_BRACKETS = re.compile(
    rf"(?: (?P<number>\d+) \s*:\s+ )? (?P<name> {_QUOTED} | [^\s,\#](?: [^,\n\#] | (?<=\S)\# )* )"
    r"| \#.* ",
    re.VERBOSE,
)
_ITEM_ON_A_LINE = re.compile(
    rf"^[ \t]* (?: -[ ] | (?P<number>\d+) [ \t]*: ) [ \t]* (?P<name> {_QUOTED} | .*? )"
    r"[ \t]* (?: [ ]\#.* )? $",
    re.VERBOSE | re.MULTILINE,
)
_NEXT_KEY = re.compile(r"^(?=[^\s#-])", re.MULTILINE)


def dataset_yaml(names: Iterable[str]) -> str:
    """What YOLO wants to know of the dataset, with the classes in their order."""
    lines = [f"  {number}: {_text_to_yaml(name)}" for number, name in enumerate(names)]
    return "\n".join(["path: .", "train: images", "val: images", "names:", *lines, ""])


def categories_from_yaml(text: str) -> list[str]:
    """The names of the classes in a data.yaml, in their order.

    >>> categories_from_yaml("names: [cat, 'big dog']")
    ['cat', 'big dog']
    """
    _, *found = re.split(r"^names:[ \t]*", text, maxsplit=1, flags=re.MULTILINE)
    brackets = _IN_BRACKETS.match(found[0]) if found else None
    if brackets is not None:
        items = [item for item in _ITEM_IN_BRACKETS.finditer(brackets["items"]) if item["name"]]
    else:
        lines = _NEXT_KEY.split(found[0], maxsplit=1)[0] if found else ""
        items = list(_ITEM_ON_A_LINE.finditer(lines))
    names = {int(item["number"] or place): item["name"] for place, item in enumerate(items)}
    if not found or sorted(names) != list(range(len(names))):
        raise InvalidMask(
            "It does not name the classes. It must have 'names:' with a list of names, or with "
            "numbers from 0 on and their names."
        )
    return [_text_from_yaml(names[number]) for number in range(len(names))]


def _text_to_yaml(text: str) -> str:
    """JSON's quoting is YAML's, but for characters that can't be printed."""
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    escaped = text.encode("unicode_escape").decode("ascii")
    return '"' + escaped.replace('"', '\\"') + '"'


def _text_from_yaml(text: str) -> str:
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text[:1] != '"':
        return text.strip()
    try:
        return str(json.loads(text))
    except ValueError:
        # YAML has escapes that JSON lacks; those of `_text_to_yaml` are Python's.
        return text[1:-1].encode("ascii", "backslashreplace").decode("unicode_escape")
