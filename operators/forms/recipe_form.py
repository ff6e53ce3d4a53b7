"""Recipes and their settings <-> FiftyOne's forms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fiftyone.operators import types

from premask.errors import PremaskError
from premask.models.catalog import Checkpoint, catalog
from premask.models.readiness import NEEDS_EXTRA, READY, readiness_of
from premask.models.weights.installed import installed_weights
from premask.recipes.recipe import Recipe, recipe_of
from premask.settings import Setting

from ..work.stage_recipes import PURE
from .fields import refuse, type_of
from .parameters import Params, parameter

DOWNLOAD = "download"
"""The parameter of operators with a recipe: get what is missing, then run."""

_FORM = "for_"
_HALF = 6  # of the twelve columns of a form


def download_parameter() -> Any:
    """The choice to get weights that are missing; the form draws it where there are such."""
    return parameter(False, "Download and run")


def add_recipe(
    inputs: types.Object, params: Params, recipes: Sequence[Recipe], default: str
) -> Recipe | None:
    """Draw the choice of a recipe and its settings; return it with those that are valid."""
    choices = types.DropdownView(label="Recipe")
    states = {offered.name: readiness_of(offered.checkpoints) for offered in recipes}
    for offered in sorted(recipes, key=lambda offered: states[offered.name].rank):
        sentence = f"{states[offered.name].state}. {_in_words(offered.help)}"
        choices.add_choice(offered.name, label=offered.name, description=sentence)
    chosen = inputs.str("recipe", default=default, view=choices)
    try:
        recipe = _named(str(params.get("recipe") or default))
    except PremaskError as error:
        refuse(chosen, error)
        return None
    chosen.view.caption = _in_words(recipe.help)
    adapted, problems = _adapted(recipe, _given(params, recipe))
    _add_download(inputs, chosen, adapted, params)
    fields = _add_settings(inputs, recipe, adapted, list(adapted.settings()))
    for path, problem in problems.items():
        refuse(fields.get(path, chosen), problem)
    return adapted


def add_stage(inputs: types.Object, params: Params, recipe: Recipe, hidden: set[str]) -> Recipe:
    """Draw the settings, except the hidden ones, of a recipe that is named after its one stage."""
    adapted, problems = _adapted(recipe, _given(params, recipe))
    paths = [path for path in recipe.settings() if path.startswith(f"{recipe.name}.")]
    fields = _add_settings(
        inputs, recipe, adapted, [shown for shown in paths if shown not in hidden]
    )
    for path, problem in problems.items():
        refuse(fields[path], problem)
    return adapted


def _add_download(
    inputs: types.Object, chosen: types.Property, recipe: Recipe, params: Params
) -> None:
    """Say what the recipe needs before it can run, and offer to get it where it can be got."""
    readiness = readiness_of(recipe.checkpoints)
    if readiness.rank > READY:
        chosen.view.caption += f" It {readiness.state}."
    if readiness.can_be_downloaded:
        terms = f"It {readiness.state}. What comes is checked before it is used."
        inputs.bool(DOWNLOAD, default=False, label="Download and run", description=terms)
        if not params.get(DOWNLOAD):
            refuse(chosen, f"{readiness.advice}, or choose 'Download and run'.")
    elif readiness.rank == NEEDS_EXTRA:
        # Some models need only a part of their extra, so this does not stop anybody.
        warning = types.Warning(label="Something is not installed", description=readiness.advice)
        inputs.view("not_installed", warning)
    elif readiness.rank != READY:
        refuse(chosen, readiness.advice)
    _refuse_broken(chosen, [one for one in recipe.checkpoints if one not in readiness.missing])


def _refuse_broken(chosen: types.Property, checkpoints: Sequence[Checkpoint]) -> None:
    try:
        for checkpoint in checkpoints:
            installed_weights(checkpoint)
    except PremaskError as error:
        refuse(chosen, error)


def recipe_from_params(params: Params, default: str) -> Recipe:
    """Read the recipe with the settings of a form, or of a call: `{"refine.grow": 3}`."""
    recipe = _named(str(params.get("recipe") or default))
    adapted, problems = _adapted(recipe, _given(params, recipe))
    for problem in problems.values():
        raise problem
    return adapted


def filled_in(params: Params) -> dict[str, Any]:
    """Rewrite the parameters of a call, `recipe` among them, so that a form opens with them.

    A call names settings by their paths, a form keeps them by recipe and stage.
    """
    recipe = _named(params["recipe"])
    stages: dict[str, dict[str, Any]] = {}
    for path, value in _given(params, recipe).items():
        stage, _, name = path.partition(".")
        stages.setdefault(stage, {})[name] = value
    return {**params, "settings": {form_key(recipe): stages}}


def form_key(recipe: Recipe) -> str:
    """Name the part of the form that keeps this recipe's settings: it remembers several recipes'.

    The App takes dots in names for nesting.
    """
    return _FORM + re.sub(r"\W", "_", recipe.name)


def _in_words(help: str) -> str:
    """Say what help says in the terminal's syntax as a form has it: settings by their labels."""
    help = help.replace("a name from `premask models`", "one of the models that are listed here")

    def as_labels(match: re.Match[str]) -> str:
        stage, _, name = match[1].partition(".")
        return f"'{stage.capitalize()}: {_label_of(name)}' set to {match[2]}"

    return re.sub(r"`--set ([\w.]+)=([^`]+)`", as_labels, help).replace("`", "'")


def _label_of(setting: str) -> str:
    return setting.replace("_", " ").capitalize()


def _named(name: str) -> Recipe:
    return PURE.get(name) or recipe_of(name)


def _given(params: Params, recipe: Recipe) -> dict[str, Any]:
    """Collect what was filled in, or called with, by `stage.name`."""
    given: Params = params.get("settings") or {}
    filled = dict(_filled(given.get(form_key(recipe)) or {}))
    models = {path: value for path, value in filled.items() if path.endswith(".model")}
    # Another model has other settings; the form may still hold those of the one before it.
    known = _adapted(recipe, models)[0].settings()
    kept = {path: value for path, value in filled.items() if path in known}
    called = {path: value for path, value in given.items() if not path.startswith(_FORM)}
    return {
        **models,
        **{
            path: value for path, value in kept.items() if value is not None or known[path].optional
        },
        **called,
    }


def _filled(form: Params) -> Iterator[tuple[str, Any]]:
    """Flatten the fields of a form; those that were emptied are None."""
    for stage, fields in form.items():
        for name, value in (fields or {}).items():
            is_off = isinstance(value, list) and set(value) == {None}
            yield f"{stage}.{name}", None if is_off else value


def _adapted(recipe: Recipe, values: Params) -> tuple[Recipe, dict[str, PremaskError]]:
    """The recipe with the values that are valid, and what is wrong with each of the others."""
    try:
        return recipe.with_settings(values), {}
    except PremaskError:
        problems = {}
    for path, value in values.items():
        try:
            recipe = recipe.with_settings({path: value})
        except PremaskError as error:
            problems[path] = error
    return recipe, problems


def _add_settings(
    inputs: types.Object, recipe: Recipe, adapted: Recipe, paths: Sequence[str]
) -> dict[str, types.Property]:
    """A collapsed group for each stage, with a field for each setting: these are the result."""
    view = types.View(label="Settings", collapsible=True)
    form = inputs.obj("settings", view=types.View()).type.obj(form_key(recipe), view=view).type
    originals, settings, fields = recipe.settings(), adapted.settings(), {}
    for path in paths:
        stage = path.partition(".")[0]
        if stage not in form.properties:
            form.obj(stage, view=types.View(label=stage.capitalize(), collapsible=True))
        group = form.properties[stage].type
        fields[path] = _add_field(group, stage, originals.get(path, settings[path]))
    return fields


def _add_field(group: types.Object, stage: str, setting: Setting) -> types.Property:
    default = setting.default
    return group.define_property(
        setting.name,
        type_of(setting, allow_empty=True),
        default=list(default) if isinstance(default, tuple) else default,
        view=_view_of(stage, setting),
    )


def _view_of(stage: str, setting: Setting) -> types.View:
    choices = list(setting.choices)
    if setting.name == "model":
        choices = [
            checkpoint.name for checkpoint in catalog().values() if stage in checkpoint.stages
        ]
    shown = types.DropdownView if choices else types.View
    if setting.kind == "texts":
        shown = types.AutocompleteView
    view = shown(label=_label_of(setting.name), description=_in_words(setting.help), space=_HALF)
    for choice in choices:
        view.add_choice(choice, label=choice)
    return view
