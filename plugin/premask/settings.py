"""Settings with a type, bounds and a help text, from which forms, files and flags are made."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast

from premask.errors import InvalidSetting, UnknownSetting

Kind = Literal["switch", "whole", "number", "text", "texts", "point"]
T = TypeVar("T")
Value = bool | int | float | str | tuple[str, ...] | tuple[float, float] | None


def setting(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a settings dataclass; its annotation is its type, and `| None` lets it be off.

    The result is typed `Any` so that a type checker accepts it as the default of any field.
    """
    bounds = {"help": help, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata={"setting": bounds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that is needed to draw a setting as a form field, parse it as a flag, or check it."""

    name: str
    kind: Kind
    optional: bool
    default: Value
    required: bool
    help: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]

    def check(self, value: object, where: str) -> Value:
        """Convert a value to the setting's type, or raise `InvalidSetting` with what it must be.

        `where` is put in front of the setting's name in messages.
        """
        if value is None and self.optional:
            return None
        typed = _typed(self.kind, value)
        if typed is None or not self._within(typed):
            raise InvalidSetting(f"{where}{self.name} must be {self.expects}; got {value!r}.")
        return typed

    def parse(self, text: str, where: str = "") -> Value:
        """The value of what a person typed, for example after `--set name=`."""
        if self.optional and text.lower() in ("", "none", "off"):
            return None
        return self.check(_from_text(self.kind, text), where)

    @property
    def expects(self) -> str:
        """What the value has to be, in words for a message."""
        words = {
            "switch": "true or false",
            "whole": "a whole number",
            "number": "a number",
            "text": "a text",
            "texts": "a list of texts",
            "point": "a point [x, y]",
        }[self.kind]
        if self.choices:
            words = "one of " + ", ".join(f"'{choice}'" for choice in self.choices)
        if self.minimum is not None and self.maximum is not None:
            words += f" from {self.minimum:,} to {self.maximum:,}"
        elif self.minimum is not None:
            words += f" of at least {self.minimum:,}"
        elif self.maximum is not None:
            words += f" of at most {self.maximum:,}"
        return words + (" (or off)" if self.optional else "")

    def _within(self, value: Value) -> bool:
        if self.choices and value not in self.choices:
            return False
        if not isinstance(value, int | float):
            return True
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= value <= high


def settings_of(owner: type[object]) -> dict[str, Setting]:
    """The settings of a dataclass whose fields were made with `setting`, in their order."""
    return {item.name: item for item in _settings_of(cast("Hashable", owner))}


def checked(owner: type[T], table: Mapping[str, Any], where: str, **others: Any) -> T:
    """Make an instance of a settings dataclass from the values in a TOML file's table.

    `others` are the values of its fields that are not settings.
    """
    known = settings_of(owner)
    for name in table:
        require_known(name, known, where)
    for name, item in known.items():
        if item.required and name not in table:
            raise InvalidSetting(f"{where}{name} is missing; it must be {item.expects}.")
    values = {name: known[name].check(value, where) for name, value in table.items()}
    return owner(**values, **others)


def require_known(name: str, known: Iterable[str], where: str) -> None:
    """Raise `UnknownSetting`, with the nearest name, unless the name is known."""
    if name not in known:
        raise UnknownSetting(name, known, where=where)


@cache
def _settings_of(owner: Any) -> tuple[Setting, ...]:
    # Annotations are texts here, and evaluating them takes longer than all that is done with them.
    hints = typing.get_type_hints(owner)
    return tuple(
        _described(item, hints[item.name])
        for item in dataclasses.fields(owner)
        if "setting" in item.metadata
    )


def _described(item: dataclasses.Field[Any], annotation: Any) -> Setting:
    kind, optional = _kind_of(annotation)
    return Setting(
        name=item.name,
        kind=kind,
        optional=optional,
        default=None if item.default is dataclasses.MISSING else item.default,
        required=item.default is dataclasses.MISSING,
        **item.metadata["setting"],
    )


def _kind_of(annotation: Any) -> tuple[Kind, bool]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (item for item in typing.get_args(annotation) if item is not type(None))
        return _kind_of(inner)[0], True
    kinds: dict[Any, Kind] = {
        bool: "switch",
        int: "whole",
        float: "number",
        str: "text",
        tuple[str, ...]: "texts",
        tuple[float, float]: "point",
    }
    return kinds[annotation], False


def _typed(kind: Kind, value: object) -> Value:
    """The value in the setting's own type, or None if it can't be one."""
    # To Python True is a whole number, too; in a setting that would be a mistake.
    if isinstance(value, bool):
        return value if kind == "switch" else None
    match kind, value:
        case "whole", int():
            return value
        case "text", str():
            return value
        case "number", int() | float():
            return float(value)
        case "texts", str():
            return (value,)
        case "texts", list() | tuple() if all(isinstance(item, str) for item in value):
            return tuple(value)
        case "point", [int() | float() as x, int() | float() as y]:
            return (float(x), float(y))
    return None


def _from_text(kind: Kind, text: str) -> object:
    """The value of a typed text; one that can't be converted stays a text, for the message."""
    try:
        match kind:
            case "switch":
                return {"true": True, "yes": True, "on": True, "1": True}.get(
                    text.lower(), False if text.lower() in ("false", "no", "off", "0") else text
                )
            case "whole":
                return int(text)
            case "number":
                return float(text)
            case "texts":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case "point":
                return tuple(float(part) for part in text.strip("[] ").split(","))
    except ValueError:
        return text
    return text
