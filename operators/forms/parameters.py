"""Parameters of operators, declared once: forms, Python calls and checked values come of them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, TypeVar

from fiftyone.operators import types

from premask.settings import checked, setting, settings_of

from .fields import add_choices, text_choices, type_of

Choices = Mapping[str, str]
"""What can be chosen, and a sentence about each."""

Params = Mapping[str, Any]
T = TypeVar("T")

_NOTHING: Choices = MappingProxyType({})
_LABEL = "label"
_CHOICES = "choices"


def parameter(
    default: Any = dataclasses.MISSING,
    label: str = "",
    help: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Choices = _NOTHING,
) -> Any:
    """A setting that has a label in a form; without a default, it must be given.

    A default of None is worked out when the operator runs, and shown in the form where that can be
    known before.
    """
    described = setting(default, help, minimum=minimum, maximum=maximum, choices=tuple(choices))
    metadata = {**described.metadata, _LABEL: label, _CHOICES: choices}
    return dataclasses.field(default=default, metadata=metadata)


class ParameterForm:
    """A form that draws parameters as they were declared."""

    def __init__(self, inputs: types.Object, owner: type[Any], params: Params) -> None:
        self.inputs, self.params = inputs, params
        self._settings = settings_of(owner)
        self._metadata = {item.name: item.metadata for item in dataclasses.fields(owner)}

    def add(
        self,
        name: str,
        *,
        label: str = "",
        help: str = "",
        default: Any = None,
        choices: Choices | None = None,
        suggestions: Iterable[str] | None = None,
        required: bool = False,
    ) -> types.Property:
        """Draw a parameter.

        What is passed is what only the dataset or the operator knows: `default` is what a declared
        None comes to. Such choices are no enum for FiftyOne: the work itself checks them, and says
        why one can't be used.
        """
        item, metadata = self._settings[name], self._metadata[name]
        texts: dict[str, Any] = {
            "label": label or metadata[_LABEL],
            "description": help or item.help or None,
        }
        choices = metadata[_CHOICES] or None if choices is None else choices
        view = types.View(**texts)
        if choices is not None:
            view = types.DropdownView(**texts, multiple=item.kind == "texts")
            add_choices(view, choices)
        elif suggestions is not None:
            view = text_choices(suggestions, **texts)
        default = item.default if default is None else default
        return self.inputs.define_property(
            name,
            type_of(item),
            default=list(default) if isinstance(default, tuple) else default,
            required=required or (item.required and default is None),
            view=view,
        )

    def add_radio(self, name: str, *, default: str | None = None) -> types.Property:
        """Draw all choices of a parameter at once, by their sentences."""
        item, metadata = self._settings[name], self._metadata[name]
        view = types.RadioGroup(label=metadata[_LABEL])
        for value, sentence in metadata[_CHOICES].items():
            view.add_choice(value, label=sentence)
        shown = item.default if default is None else default
        return self.inputs.define_property(name, type_of(item), default=shown, view=view)


def read(owner: type[T], params: Params) -> T:
    """The parameters that a form or a call gives; what is empty there is as it was declared."""
    known = settings_of(owner)
    given = {name: params[name] for name in known if params.get(name) not in (None, "", [], ())}
    others = {
        item.name: params[item.name]
        for item in dataclasses.fields(owner)  # type: ignore[arg-type]  # T is a dataclass
        if item.name not in known and params.get(item.name) is not None
    }
    return checked(owner, given, "", **others)


def signature_of(
    owner: type[Any], *, has_samples: bool = True, has_delegate: bool = True
) -> inspect.Signature:
    """How an operator with these parameters is called from Python."""
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("samples", positional, annotation="Any")] if has_samples else []
    for item in dataclasses.fields(owner):
        has_default = item.default is not dataclasses.MISSING
        default = item.default if has_default else inspect.Parameter.empty
        kind = keyword_only if item.kw_only else positional
        parameters.append(inspect.Parameter(item.name, kind, default=default, annotation=item.type))
    if has_delegate:
        parameters.append(
            inspect.Parameter("delegate", keyword_only, default=False, annotation="bool")
        )
    return inspect.Signature(parameters, return_annotation="Any")


def plain(value: Any) -> Any:
    """The value as FiftyOne's database takes it, which keeps what is to run in the background."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return list(value)
    return value
