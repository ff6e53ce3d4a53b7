"""ADE20K's 150 classes: the number and the color of each, by any of its names."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from premask.toml import parse_toml


def ade20k_number(label: str) -> int:
    """The number of the class, 1 to 150, that has this name; 0 for what is none of them.

    >>> ade20k_number("wall"), ade20k_number("Road, route"), ade20k_number("couch")
    (1, 7, 24)
    """
    return _numbers().get(_first_name(label), 0)


def ade20k_palette() -> bytes:
    """The colors of an indexed PNG, three bytes each, as ControlNet expects them; 0 is black."""
    return bytes(3) + b"".join(bytes.fromhex(color[1:]) for color in _colors().values())


@cache
def _colors() -> dict[str, str]:
    text = files("premask.labels").joinpath("ade20k.toml").read_text(encoding="utf-8")
    return parse_toml(text)


@cache
def _numbers() -> dict[str, int]:
    """The number of each name. Where classes share one, it is that of the class called so first."""
    names = [[name.strip() for name in each.split(",")] for each in _colors()]
    numbers = {first: number for number, (first, *_) in enumerate(names, start=1)}
    for number, (_, *others) in enumerate(names, start=1):
        for name in others:
            numbers.setdefault(name, number)
    return numbers


def _first_name(label: str) -> str:
    return label.lower().split(",")[0].strip()
