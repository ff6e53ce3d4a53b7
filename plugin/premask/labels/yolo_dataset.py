"""How YOLO arranges a dataset: where the text of an image is, and the classes in data.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from premask.errors import InvalidMask, UnwritableOutput
from premask.files import write_atomically
from premask.images import SUFFIXES, Image
from premask.labels.coco_ids import CocoIds
from premask.labels.glimpse import Glimpse
from premask.labels.image_names import steps_of

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
_YAML_SUFFIXES = (".yaml", ".yml")
_NAMES_KEY = re.compile(r"^names:", re.MULTILINE)
_PATH_KEY = re.compile(r"^path:[ \t]*(?P<path>[^\n#]+)", re.MULTILINE)
_NEXT_KEY = re.compile(r"^(?=[^\s#-])", re.MULTILINE)


def text_of(name: str) -> Path:
    """Where YOLO looks for the text of an image, whose own place is `images/name`.

    It replaces the last folder that is called `images`.

    >>> text_of("cat.jpg").as_posix(), text_of("train/images/cat.jpg").as_posix()
    ('labels/cat.txt', 'images/train/labels/cat.txt')
    """
    parts = steps_of(name) or ["image"]
    folders = [_IMAGES, *parts[:-1]]
    last = len(folders) - 1 - folders[::-1].index(_IMAGES)
    folders[last] = _LABELS
    return Path(*folders, parts[-1]).with_suffix(".txt")


def is_yolo(glimpse: Glimpse) -> bool:
    """Whether it is a data.yaml, or a folder that has one; other people's have other names."""
    path = find_yaml(glimpse.path)
    try:
        return path is not None and bool(_NAMES_KEY.search(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


def find_yaml(path: Path) -> Path | None:
    """The file with the classes: the path itself, or what lies in the folder."""
    if path.suffix in _YAML_SUFFIXES:
        return path
    if (path / DATASET_NAME).is_file():
        return path / DATASET_NAME
    found = sorted(file for file in path.glob("*.y*ml") if file.suffix in _YAML_SUFFIXES)
    return found[0] if len(found) == 1 else None


def yolo_folder(path: Path) -> Path:
    """Where the images and the texts are: where data.yaml says, if that is here, or beside it."""
    yaml = find_yaml(path)
    if yaml is None:
        return path
    said = _PATH_KEY.search(yaml.read_text(encoding="utf-8"))
    folder = yaml.parent / (_text_from_yaml(said["path"]) if said else "")
    return folder if folder.is_dir() else yaml.parent


def yolo_ids(path: Path) -> CocoIds:
    """The classes of a dataset, with numbers from 1 on."""
    return CocoIds.counted(read_categories(path))


def read_categories(path: Path) -> list[str]:
    """The names of the classes in their order."""
    yaml = find_yaml(path) or path / DATASET_NAME
    try:
        text = yaml.read_text(encoding="utf-8")
        if re.search(r"^kpt_shape:", text, re.MULTILINE):
            raise InvalidMask("Its lines are keypoints, which premask does not read.")
        return categories_from_yaml(text)
    except (InvalidMask, OSError, ValueError) as error:
        raise InvalidMask(f"'{yaml}' can't be read: {error}") from error


def yolo_images(path: Path) -> dict[str, Path]:
    """The images of a dataset, by their names below `images/`, or else below the folder."""
    folder = yolo_folder(path)
    found = sorted(
        file
        for file in folder.rglob("*")
        # Hidden ones are none: macOS puts a ._a.jpg beside each a.jpg of an archive.
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    top = folder / _IMAGES
    return {
        file.relative_to(top if top in file.parents else folder).as_posix(): file for file in found
    }


def find_text(folder: Path, name: str) -> Path | None:
    """The text of an image: where Ultralytics looks, seen from `images/` or from the folder."""
    below_images = folder / text_of(name)
    parts = steps_of(name)
    if _IMAGES in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index(_IMAGES)] = _LABELS
    below_folder = folder.joinpath(*parts).with_suffix(".txt")
    texts = (text for text in (below_images, below_folder) if text.is_file())
    return next(texts, None)


def is_in_dataset(folder: Path, name: str) -> bool:
    """Whether an image lies where the dataset has its images."""
    return (folder / _IMAGES / name).is_file() or (folder / name).is_file()


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
                yield Image(name="/".join([*folders[1:], text.name])), path


def write_yolo_parts(folder: Path, parts: Sequence[str], classes: Sequence[str]) -> Path:
    """A data.yaml for parts that have a folder each."""
    places = {part: f"{part}/{_IMAGES}" for part in parts}
    return write_atomically(folder / DATASET_NAME, dataset_yaml(classes, places).encode())


def dataset_yaml(names: Iterable[str], places: Mapping[str, str] | None = None) -> str:
    """What YOLO wants to know of the dataset, with the classes in their order.

    There is no `path`: without it Ultralytics takes the folder of the file itself, while it looks
    for `path: .` where it was started.
    """
    lines = [f"  {number}: {_text_to_yaml(name)}" for number, name in enumerate(names)]
    where = places or {"train": _IMAGES, "val": _IMAGES}
    parts = [f"{part}: {place}" for part, place in where.items()]
    return "\n".join([*parts, "names:", *lines, ""])


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
