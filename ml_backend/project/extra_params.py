"""What people type as *extra params* in Label Studio's model form: a recipe and its settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from premask.errors import InvalidSetting
from premask.settings import Value, checked, require_known, setting, settings_of

WHERE = "extra params: "
LONGEST = 4_000

Settings = tuple[tuple[str, Value], ...]
"""Names such as `find.threshold`, and values."""

_ROLES = ("interactive", "video")
_WRITE = (
    "write recipe=NAME threshold=0.4, or the same as JSON: "
    '{"recipe": "NAME", "threshold": 0.4, "refine.smooth": 2}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraParams:
    """What a project asks for. What it leaves open is what the server was started with."""

    recipe: str = setting("", "what labels whole tasks")
    interactive_recipe: str = setting("", "what answers clicks")
    video_recipe: str = setting("", "what follows objects in videos")
    threshold: float | None = setting(
        None, "lowest score of what is proposed for whole tasks", minimum=0, maximum=1
    )
    settings: Settings = ()
    interactive_settings: Settings = ()
    video_settings: Settings = ()

    def table(self) -> dict[str, Any]:
        """The same as a flat table, which `read_extra_params` reads."""
        said = {name: getattr(self, name) for name in settings_of(ExtraParams)}
        table = {name: value for name, value in said.items() if value not in ("", None)}
        table |= self.settings
        for role in _ROLES:
            own: Settings = getattr(self, f"{role}_settings")
            table |= {f"{role}.{name}": value for name, value in own}
        return table


def read_extra_params(said: object) -> ExtraParams:
    """What the form holds: nothing, JSON, or a text such as `recipe=faces refine.smooth=2`.

    Label Studio sends the field as a text; through its API it may be JSON.

    >>> read_extra_params("recipe=faces threshold=0.4").threshold
    0.4
    >>> read_extra_params('{"recipe": "faces", "refine": {"smooth": 2}}').settings
    (('refine.smooth', 2),)
    """
    table = dict(_flat(_table(said)))
    staged = {name: _frozen(name, table.pop(name)) for name in list(table) if "." in name}
    known = settings_of(ExtraParams)
    for name, value in table.items():
        require_known(name, known, WHERE)
        table[name] = known[name].parse(value, WHERE) if isinstance(value, str) else value
    by_role = {f"{role}_settings": _of_role(role, staged) for role in _ROLES}
    return checked(ExtraParams, table, WHERE, settings=tuple(staged.items()), **by_role)


def _of_role(role: str, staged: dict[str, Value]) -> Settings:
    """Take the settings that begin with the role's name out of the others."""
    own = [name for name in staged if name.startswith(f"{role}.")]
    return tuple((name.removeprefix(f"{role}."), staged.pop(name)) for name in own)


def _table(said: object) -> Mapping[str, Any]:
    if isinstance(said, str):
        text = said.strip()
        if len(text) > LONGEST:
            raise InvalidSetting(f"{WHERE}they are longer than {LONGEST:,} letters.")
        is_json = text.startswith(("{", "[", '"')) or text == "null"
        said = _parsed(text) if is_json else _assigned(text)
        if isinstance(said, str):
            said = _assigned(said)
    if said in (None, ""):
        return {}
    if not isinstance(said, Mapping):
        raise InvalidSetting(f"{WHERE}{str(said)[:80]!r} is no table; {_WRITE}.")
    return said


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSetting(f"{WHERE}this is no JSON ({error}); {_WRITE}.") from error


def _assigned(text: str) -> dict[str, str]:
    """Pairs of `name=value` with spaces, commas or lines between; quotes keep a value together."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidSetting(f"{WHERE}{error}; {_WRITE}.") from error
    table = {}
    for word in words:
        name, equals, value = word.rstrip(",;").partition("=")
        if not equals or not name:
            raise InvalidSetting(f"{WHERE}'{word[:80]}' is no setting; {_WRITE}.")
        table[name.strip()] = value.strip()
    return table


def _flat(table: Mapping[str, Any], before: str = "", depth: int = 3) -> Iterator[tuple[str, Any]]:
    """Tables in tables as names with dots."""
    for name, value in table.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and depth:
            yield from _flat(value, f"{path}.", depth - 1)
        else:
            yield path, value


def _frozen(name: str, value: Any) -> Value:
    """A value of JSON that can be part of a key."""
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return tuple(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidSetting(f"{WHERE}{name} must be a text, a number, or a list of these.")
