from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from premask.errors import InvalidSetting, UnknownSetting
from premask.settings import checked, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Oven:
    degrees: int = setting(help="how hot", minimum=50, maximum=250)
    fan: bool = setting(False, "blow")
    minutes: float | None = setting(None, "for how long", minimum=0)
    program: str = setting("bake", "what to do", choices=("bake", "grill"))
    dishes: tuple[str, ...] = setting((), "what is in it")
    place: tuple[float, float] | None = setting(None, "where it stands")


def test_a_table_becomes_an_instance() -> None:
    oven = checked(Oven, {"degrees": 180, "minutes": 20, "dishes": ["pie"], "place": [1, 2]}, "")
    assert oven == Oven(degrees=180, minutes=20.0, dishes=("pie",), place=(1.0, 2.0))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "degrees is missing; it must be a whole number from 50 to 250"),
        ({"degrees": 20}, "degrees must be a whole number from 50 to 250; got 20"),
        ({"degrees": 60.5}, "degrees must be a whole number from 50 to 250; got 60.5"),
        ({"degrees": True}, "got True"),
        ({"degrees": 60, "fan": 1}, "fan must be true or false; got 1"),
        ({"degrees": 60, "minutes": -1}, r"minutes must be a number of at least 0 \(or off\)"),
        ({"degrees": 60, "minutes": float("nan")}, "got nan"),
        ({"degrees": 60, "program": "boil"}, "program must be one of 'bake', 'grill'; got 'boil'"),
        ({"degrees": 60, "dishes": [1]}, "dishes must be a list of texts"),
        ({"degrees": 60, "place": [1]}, r"place must be a point \[x, y\]"),
    ],
)
def test_mistakes_name_the_type_and_the_bounds(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        checked(Oven, table, "[oven]: ")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownSetting, match=r"\[oven\]: .*'degres'. Did you mean 'degrees'\?"):
        checked(Oven, {"degres": 60}, "[oven]: ")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("degrees", "100", 100),
        ("fan", "yes", True),
        ("fan", "FALSE", False),
        ("minutes", "off", None),
        ("minutes", "2.5", 2.5),
        ("program", "grill", "grill"),
        ("dishes", "pie, cake", ("pie", "cake")),
        ("dishes", "", ()),
        ("place", "3,4", (3.0, 4.0)),
    ],
)
def test_what_a_person_types_is_parsed(name: str, text: str, value: object) -> None:
    assert settings_of(Oven)[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("degrees", "hot"), ("fan", "maybe"), ("degrees", "none"), ("place", "1,b"), ("place", "1")],
)
def test_what_can_not_be_parsed_is_shown(name: str, text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} must be .*; got .*{text}"):
        settings_of(Oven)[name].parse(text)
