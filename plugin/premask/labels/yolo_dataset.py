"""How YOLO arranges a dataset: where the text of an image is, and the classes in data.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from premask.errors import InvalidMask, UnwritableOutput
from premask.images import Image

DATASET_NAME = "data.yaml"
_IMAGES, _LABELS = "images", "labels"

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


def text_of(name: str) -> Path:
    """Where YOLO looks for the text of an image, whose own place is `images/name`.

    It replaces the last folder that is called `images`.

    >>> text_of("cat.jpg").as_posix(), text_of("train/images/cat.jpg").as_posix()
    ('labels/cat.txt', 'images/train/labels/cat.txt')
    """
    parts = [part for part in PurePosixPath(name).parts if part.strip("/.")] or ["image"]
    folders = [_IMAGES, *parts[:-1]]
    last = len(folders) - 1 - folders[::-1].index(_IMAGES)
    folders[last] = _LABELS
    return Path(*folders, parts[-1]).with_suffix(".txt")


class Texts:
    """The places of the texts of a dataset; no two images may have the same."""

    def __init__(self) -> None:
        self._names: dict[Path, str] = {}

    def of(self, name: str) -> Path:
        text = text_of(name)
        if text in self._names:
            raise UnwritableOutput(
                f"YOLO has one text, {text.as_posix()}, for both '{self._names[text]}' and "
                f"'{name}'. Rename one of them, or choose another format."
            )
        self._names[text] = name
        return text


def require_own_texts(names: Iterable[str]) -> None:
    """Refuse names of images of which two would have one text."""
    texts = Texts()
    for name in names:
        texts.of(name)


def texts_below(folder: Path) -> Iterator[tuple[Image, Path]]:
    """All texts that are where YOLO looks for them, and the images that they are for."""
    for path in sorted(folder.rglob("*.txt")):
        text = path.relative_to(folder).with_suffix("")
        folders = list(text.parts[:-1])
        if _LABELS in folders:
            folders[len(folders) - 1 - folders[::-1].index(_LABELS)] = _IMAGES
            if folders[0] == _IMAGES:
                yield Image(name="/".join([*folders[1:], text.name])), path.relative_to(folder)


def dataset_yaml(names: Iterable[str]) -> str:
    """What YOLO wants to know of the dataset, with the classes in their order.

    There is no `path`: without it Ultralytics takes the folder of the file itself, while it looks
    for `path: .` where it was started.
    """
    lines = [f"  {number}: {_text_to_yaml(name)}" for number, name in enumerate(names)]
    return "\n".join(["train: images", "val: images", "names:", *lines, ""])


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
