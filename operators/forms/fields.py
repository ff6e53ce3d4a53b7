"""Single fields of FiftyOne's forms: their types, what can be chosen in them, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fiftyone.operators import types

from premask.settings import Setting


def type_of(setting: Setting, *, allow_empty: bool = False) -> types.BaseType:
    """The type that FiftyOne checks a setting by."""
    if setting.choices:
        return types.Enum(list(setting.choices))
    bounds = {"min": setting.minimum, "max": setting.maximum}
    match setting.kind:
        case "switch":
            return types.Boolean()
        case "whole":
            return types.Number(int=True, **bounds)
        case "number":
            return types.Number(float=True, **bounds)
        case "texts":
            return types.List(types.String())
        case "point":
            return types.Tuple(types.Number(), types.Number())
    return types.String(allow_empty=allow_empty)


def add_choices(view: types.Choices, choices: Mapping[str, str]) -> None:
    """Let a person choose from a few texts, with a sentence about each."""
    for value, sentence in choices.items():
        view.add_choice(value, label=value, description=sentence)


def text_choices(
    values: Iterable[str], label: str, description: str | None
) -> types.AutocompleteView:
    """A text field that suggests what is there."""
    view = types.AutocompleteView(label=label, description=description)
    for value in values:
        view.add_choice(value, label=value)
    return view


def refuse(field: types.Property, error: Exception | str) -> None:
    """Mark a field as filled in wrongly, and say why."""
    field.invalid = True
    field.error_message = str(error)
