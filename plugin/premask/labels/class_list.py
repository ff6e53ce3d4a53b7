"""A person's list of classes, which fixes their numbers: typed, or in the file of another tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from premask.errors import InvalidMask, InvalidSetting
from premask.labels.coco_ids import CocoIds
from premask.labels.yolo_dataset import categories_from_yaml

_TEXTS = (".txt", ".names")
_YAMLS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassList:
    """Names in the order of their numbers, and the ids where a COCO file has given them."""

    names: tuple[str, ...] = ()
    ids: CocoIds | None = None

    @classmethod
    def of(cls, text: str) -> ClassList:
        """The list that `--classes` names: `cat,dog`, or a file.

        A text has a class on each line, a YAML is YOLO's data.yaml, and a JSON is a COCO file.
        """
        path = Path(text)
        suffix = path.suffix.lower()
        if suffix == ".json":
            ids = CocoIds.from_file(path)
            return cls(names=_checked(list(ids.categories), text), ids=ids)
        if suffix not in _TEXTS + _YAMLS:
            return cls(names=_checked([name.strip() for name in text.split(",")], text))
        try:
            content = path.read_text(encoding="utf-8-sig")
            names = categories_from_yaml(content) if suffix in _YAMLS else content.splitlines()
        except (InvalidMask, OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"The classes can't be read from '{text}': {error}") from error
        while names and not names[-1].strip():
            names.pop()
        return cls(names=_checked([name.strip() for name in names], text))


def _checked(names: list[str], text: str) -> tuple[str, ...]:
    """The names, if none is empty and no two are the same, so that their numbers are right."""
    if not all(names):
        raise InvalidSetting(
            f"'{text}' has a class without a name at place {names.index('') + 1}. Write them like "
            "cat,dog, or in a file with one on each line."
        )
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidSetting(f"'{text}' has the class '{twice}' twice. Take one of them out.")
    return tuple(names)
