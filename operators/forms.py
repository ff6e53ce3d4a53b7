"""Recipes and their settings <-> FiftyOne's forms; written once, shared by every operator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from fiftyone.operators import types

from premask.errors import PremaskError
from premask.models.catalog import catalog
from premask.recipes import STAGES, Recipe, recipe_of
from premask.settings import Setting

Params = Mapping[str, Any]


def add_recipe(
    inputs: types.Object, params: Params, recipes: Sequence[Recipe], default: str
) -> Recipe | None:
    """The choice of a recipe and its settings; the recipe as it is filled in, if it is valid."""
    choices = types.AutocompleteView(label="Recipe")
    for each in recipes:
        choices.add_choice(each.name, label=each.name, description=each.help)
    name = str(params.get("recipe") or default)
    chosen = inputs.str("recipe", default=default, view=choices)
    try:
        recipe = recipe_of(name)
        chosen.view.caption = recipe.help
        filled = recipe_from_params(params, default)
    except PremaskError as error:
        refuse(chosen, error)
        return None
    _add_settings(inputs, recipe, filled)
    return filled


def recipe_from_params(params: Params, default: str) -> Recipe:
    """The recipe with the settings of a form, or of a call: `{"refine.grow": 3}`."""
    recipe = recipe_of(str(params.get("recipe") or default))
    given: Params = params.get("settings") or {}
    filled = dict(_filled(given.get(form_key(recipe)) or {}))
    models = {path: value for path, value in filled.items() if path.endswith(".model")}
    known = recipe.with_settings(models).settings()
    # Another model has other settings; the form may still hold those of the one before it.
    kept = {path: value for path, value in filled.items() if path in known}
    called = {path: value for path, value in given.items() if not path.startswith(_FORM)}
    return recipe.with_settings({**kept, **called})


_FORM = "for_"


def form_key(recipe: Recipe) -> str:
    """Where the form keeps this recipe's settings: it remembers those of others as well.

    Dots would be folders to the App.
    """
    return _FORM + re.sub(r"\W", "_", recipe.name)


def refuse(field: types.Property, error: Exception) -> None:
    """Mark a field as filled in wrongly, and say why."""
    field.invalid = True
    field.error_message = str(error)


def text_choices(values: Sequence[str], label: str, description: str) -> types.AutocompleteView:
    """A text field that suggests what is there."""
    view = types.AutocompleteView(label=label, description=description)
    for value in values:
        view.add_choice(value, label=value)
    return view


def _add_settings(inputs: types.Object, recipe: Recipe, filled: Recipe) -> None:
    view = types.View(label="Settings", collapsible=True)
    form = inputs.obj("settings", view=types.View()).type.obj(form_key(recipe), view=view).type
    by_stage = groupby(filled.settings().items(), key=lambda item: item[0].partition(".")[0])
    originals = recipe.settings()
    for stage, settings in by_stage:
        question = (STAGES[stage].__doc__ or "").partition("?")[0]
        heading = types.View(label=stage.capitalize(), description=question, collapsible=True)
        fields = form.obj(stage, view=heading).type
        for path, setting in settings:
            _add_field(fields, stage, originals.get(path, setting))


def _add_field(fields: types.Object, stage: str, setting: Setting) -> None:
    default = setting.default
    fields.define_property(
        setting.name,
        _type_of(setting),
        default=list(default) if isinstance(default, tuple) else default,
        view=_view_of(stage, setting),
    )


def _type_of(setting: Setting) -> types.BaseType:
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
    return types.String(allow_empty=True)


def _view_of(stage: str, setting: Setting) -> types.View:
    label = setting.name.replace("_", " ").capitalize()
    help_text = f"{setting.help}: {setting.expects}"
    choices = list(setting.choices)
    if setting.name == "model":
        choices = [each.name for each in catalog().values() if stage in each.stages]
    if not choices:
        return types.View(label=label, description=help_text)
    view = types.DropdownView(label=label, description=setting.help)
    for choice in choices:
        view.add_choice(choice, label=choice)
    return view


def _filled(form: Params) -> Iterator[tuple[str, Any]]:
    """Settings as `stage.name`; what was emptied is off."""
    for stage, fields in form.items():
        for name, value in (fields or {}).items():
            yield f"{stage}.{name}", value
