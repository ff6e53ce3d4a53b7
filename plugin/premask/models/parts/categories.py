"""Which of a model's classes are wanted, by their names or by those of groups of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from premask.errors import UnknownCategory
from premask.toml import parse_toml

BACKGROUND = "background"

Names = Mapping[int, str]
"""What a checkpoint calls its classes (`id2label`)."""


def wanted_classes(wanted: Sequence[str], names: Names) -> frozenset[int]:
    """The numbers of the classes with these names; where none is given, all but the background.

    >>> sorted(wanted_classes(["shoes", "HAT"], {0: "Hat", 1: "Left-shoe", 2: "Dress"}))
    [0, 1]
    """
    if not wanted:
        return frozenset(number for number in names if names[number].lower() != BACKGROUND)
    known = _groups_of(names) | _categories_of(names)
    for name in wanted:
        if name.lower() not in known:
            raise UnknownCategory(name, [*names.values(), *_groups_of(names)])
    return frozenset(number for name in wanted for number in known[name.lower()])


def _categories_of(names: Names) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for number, name in names.items():
        numbers.setdefault(name.lower(), []).append(number)
    return numbers


def _groups_of(names: Names) -> dict[str, list[int]]:
    """The groups of which the checkpoint has any member."""
    categories = _categories_of(names)
    groups = {
        group: [number for member in members for number in categories.get(member.lower(), ())]
        for group, members in _groups().items()
    }
    return {group: numbers for group, numbers in groups.items() if numbers}


@cache
def _groups() -> dict[str, list[str]]:
    text = files("premask.models.parts").joinpath("categories.toml").read_text(encoding="utf-8")
    return parse_toml(text)
