"""A recipe's settings, drawn as a form and read back, are the recipe's settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from premask.errors import InvalidSetting, UnknownRecipe, UnknownSetting
from premask.models.readiness import Readiness
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.settings import Setting

RECIPES = list(built_in_recipes().values())


@pytest.fixture(scope="session")
def forms(fo: Any) -> Any:
    from operators.forms import recipe_form as forms

    return forms


def drawn(forms: Any, recipe: Recipe, params: Mapping[str, Any]) -> Any:
    """The form for these parameters."""
    from fiftyone.operators import types

    inputs = types.Object()
    forms.add_recipe(inputs, {"recipe": recipe.name, **params}, RECIPES, RECIPES[0].name)
    return inputs


def fields_of(forms: Any, inputs: Any, recipe: Recipe) -> dict[str, Any]:
    """The form's fields by the setting's path."""
    stages = inputs.properties["settings"].type.properties[forms.form_key(recipe)].type.properties
    return {
        f"{stage}.{name}": field
        for stage, form in stages.items()
        for name, field in form.type.properties.items()
    }


def filled(forms: Any, recipe: Recipe, values: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values as the App sends them."""
    nested: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        stage, _, name = path.partition(".")
        nested.setdefault(stage, {})[name] = value
    return {"recipe": recipe.name, "settings": {forms.form_key(recipe): nested}}


def another(setting: Setting) -> Any:
    """A valid value that is not the default, as the App would send it."""
    if setting.choices:
        return next(choice for choice in setting.choices if choice != setting.default)
    values: dict[str, Any] = {
        "switch": not setting.default,
        "text": "else",
        "texts": ["cat", "dog"],
        "point": [1.5, 2.0],
    }
    if setting.kind in values:
        return values[setting.kind]
    low, high = setting.minimum or 0, setting.maximum or 100
    value = high if setting.default != high else low
    return int(value) if setting.kind == "whole" else value


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_form_as_it_opens_is_the_recipe(forms: Any, recipe: Recipe) -> None:
    fields = fields_of(forms, drawn(forms, recipe, {}), recipe)
    assert list(fields) == list(recipe.settings())
    defaults = {path: field.default for path, field in fields.items()}
    assert forms.recipe_from_params(filled(forms, recipe, defaults), "") == recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_is_filled_in_arrives(forms: Any, recipe: Recipe) -> None:
    for path, setting in recipe.settings().items():
        if path.endswith(".model"):
            continue  # brings other settings, see below
        value = another(setting)
        expected = recipe.with_settings({path: value})
        assert expected != recipe, path
        called = {"recipe": recipe.name, "settings": {path: value}}
        assert forms.recipe_from_params(called, "") == expected, path
        in_a_form = filled(forms, recipe, {path: value})
        assert forms.recipe_from_params(in_a_form, "") == expected, path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_bounds_choices_and_help_are_in_the_form(forms: Any, recipe: Recipe) -> None:
    fields = fields_of(forms, drawn(forms, recipe, {}), recipe)
    for path, setting in recipe.settings().items():
        kind = fields[path].type
        if not path.endswith(".model"):
            assert setting.help in fields[path].view.description
        if setting.choices:
            assert tuple(kind.values) == setting.choices
        elif setting.kind in ("whole", "number"):
            assert (kind.min, kind.max) == (setting.minimum, setting.maximum)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_fiftyone_accepts_the_defaults_and_refuses_what_is_out_of_bounds(
    forms: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "readiness_of", lambda checkpoints: Readiness(rank=0, state=""))
    monkeypatch.setattr(forms, "installed_weights", lambda checkpoint: None)
    inputs = drawn(forms, recipe, {})
    fields = fields_of(forms, inputs, recipe)
    defaults = {path: field.default for path, field in fields.items()}
    assert errors(inputs, filled(forms, recipe, defaults)) == []
    assert errors(inputs, filled(forms, recipe, defaults | {"refine.smooth": 101})) == [
        "Value must be less than 100"
    ]


def errors(inputs: Any, params: dict[str, Any]) -> list[str]:
    """Return what FiftyOne's own validation says."""
    import fiftyone.operators as foo
    from fiftyone.operators import types
    from fiftyone.operators.executor import ExecutionContext, ValidationContext

    class Form(foo.Operator):  # type: ignore[misc]
        config = foo.OperatorConfig(name="form")

    validated = ValidationContext(
        ExecutionContext({"params": params}), types.Property(inputs), Form()
    )
    return [error.reason for error in validated.errors]


def test_the_settings_of_another_recipe_stay_out(forms: Any) -> None:
    """The App remembers what was filled in before another recipe was chosen."""
    subject, faces = built_in_recipes()["subject"], built_in_recipes()["faces"]
    params = filled(forms, subject, {"refine.grow": 7})
    params["settings"] |= filled(forms, faces, {"find.neighbors": 9})["settings"]
    assert forms.recipe_from_params(params, "") == subject.with_settings({"refine.grow": 7})


def test_another_model_brings_its_own_settings(forms: Any) -> None:
    recipe = built_in_recipes()["subject-cutout"]
    params = filled(forms, recipe, {"matte.model": "u2netp", "matte.band": 0.1})
    changed = forms.recipe_from_params(params, "")
    assert changed == recipe.with_settings({"matte.model": "u2netp"})
    assert "matte.band" not in fields_of(forms, drawn(forms, recipe, params), recipe)


def test_what_was_emptied_is_off_or_else_as_it_was(forms: Any, tmp_path: Path) -> None:
    """The App sends null for a number that was deleted, and for each number of a point."""
    path = tmp_path / "mine.toml"
    path.write_text(
        '[subject]\nmatte = { model = "u2netp" }\nrefine = { grow = 4 }\n'
        'select = { top = 3, contains = [1, 2], labels = ["subject"] }'
    )
    recipe = recipe_of(str(path))
    emptied = {
        "select.top": None,
        "select.contains": [None, None],
        "select.labels": [],
        "refine.grow": None,
    }
    params = filled(forms, recipe, emptied) | {"recipe": str(path)}
    off = {"select.top": None, "select.contains": None, "select.labels": ()}
    assert forms.recipe_from_params(params, "") == recipe.with_settings(off)


def test_half_a_point_is_said_at_its_field_and_hides_nothing(forms: Any) -> None:
    recipe = built_in_recipes()["subject"]
    inputs = drawn(forms, recipe, filled(forms, recipe, {"select.contains": [12]}))
    fields = fields_of(forms, inputs, recipe)
    assert list(fields) == list(recipe.settings())
    assert fields["select.contains"].invalid
    assert "must be a point [x, y]" in fields["select.contains"].error_message


def test_a_wrong_setting_in_a_call_is_an_error(forms: Any) -> None:
    with pytest.raises(UnknownSetting, match="Did you mean 'grow'"):
        forms.recipe_from_params({"recipe": "subject", "settings": {"refine.grwo": 3}}, "")
    with pytest.raises(InvalidSetting, match="from -500 to 500"):
        forms.recipe_from_params({"recipe": "subject", "settings": {"refine.grow": 501}}, "")


def test_an_unknown_recipe_is_said_at_its_field(forms: Any) -> None:
    with pytest.raises(UnknownRecipe):
        forms.recipe_from_params({"recipe": "subjct"}, "")
    inputs = drawn(forms, replace(RECIPES[0], name="subjct"), {})
    field = inputs.properties["recipe"]
    assert field.invalid
    assert "Did you mean 'subject'?" in field.error_message


def test_missing_weights_are_said_before_anything_runs(
    forms: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))
    field = drawn(forms, built_in_recipes()["subject"], {}).properties["recipe"]
    assert field.invalid
    assert "premask models download u2netp" in field.error_message


def test_help_is_in_the_words_of_the_form(form: Any, photo_dataset: Any) -> None:
    """Settings are described once, some with the terminal's syntax, which nobody has in the App."""
    for operator in ("label_samples", "outline_labels", "track_objects", "refine_labels"):
        texts = list(described(form(operator, photo_dataset)))
        assert not [text for text in texts if "--" in text or "`" in text or "TOML" in text]
    texts = list(described(form("label_samples", photo_dataset)))
    assert [text for text in texts if "'Find: Tile' set to 1024" in text]


def described(form: Any) -> Iterator[str]:
    """All descriptions and captions in a form, of choices, too."""
    if isinstance(form, dict):
        yield from (form[key] for key in ("description", "caption") if form.get(key))
        form = list(form.values())
    if isinstance(form, list):
        for part in form:
            yield from described(part)


def test_recipes_that_can_run_here_come_first_each_with_its_state(
    form: Any, photo_dataset: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"u2netp", "grabcut", "haar-face", "yolo11n"}
    monkeypatch.setattr(
        "premask.models.readiness.located_weights",
        lambda model: Path("here") if model.name in here else None,
    )
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "premask.models.readiness.find_spec",
        lambda name: None if name == "ultralytics" else find_spec("premask"),
    )
    choices = form("label_samples", photo_dataset)["recipe"]["view"]["choices"]
    states = {choice["value"]: choice["description"].partition(". ")[0] for choice in choices}
    assert list(states)[:3] == ["subject", "subject-cutout", "faces"]
    assert states["subject"] == "ready"
    assert states["everything"] == "needs weights, 184.0 MB, Apache-2.0"
    both = "grounding-dino-tiny, 689.0 MB, Apache-2.0; sam2.1-small, 184.0 MB, Apache-2.0"
    assert states["dino-sam2"] == f"needs weights: {both}"
    assert states["clothes"] == "needs weights, size unknown, MIT"
    assert states["sam3"] == "gated, 3,440.0 MB, SAM License"
    assert states["yolo"] == "needs an extra: pip install 'premask[yolo]'"
    order = list(states)
    assert order.index("clothes") < order.index("sam3") < order.index("yolo")
    gated = form("label_samples", photo_dataset, {"recipe": "sam3"})["recipe"]
    assert "accept the license first. Do so at https://huggingface.co" in gated["error_message"]
    assert "not_installed" in form("label_samples", photo_dataset, {"recipe": "yolo"})


def test_the_toolbar_has_one_button(operator: Any) -> None:
    placement = operator("label_samples").resolve_placement(None)
    assert placement.place.value == "samples-grid-actions"
    assert operator("cut_out").resolve_placement(None) is None


def test_forms_open_with_defaults(
    form: Any, operator: Any, photo_dataset: Any, u2netp_weights: Path
) -> None:
    operator("label_samples")(photo_dataset)
    photo_dataset.reload()
    exported = form("export_masks", photo_dataset)
    assert exported["label_fields"]["default"] == ["subject"]
    assert exported["folder"]["default"]
    assert form("import_masks", photo_dataset)["label_field"]["default"] == "imported"
    assert form("review_queue", photo_dataset)["label_field"]["default"] == "subject"


def test_a_default_field_fits_what_is_written(
    form: Any, operator: Any, photo_dataset: Any, u2netp_weights: Path
) -> None:
    """*Semantic map* behind *Label samples*, both with the recipe that runs here."""
    operator("label_samples")(photo_dataset)
    photo_dataset.reload()
    fields = form("semantic_map", photo_dataset)
    assert fields["recipe"]["default"] == "subject"
    assert fields["label_field"]["default"] == "subject_segmentation"
    run = operator("semantic_map")(photo_dataset).result
    assert (run["state"], run["fields"]) == ("finished", {"subject_segmentation": "segmentation"})


def test_the_semantic_recipe_is_the_default_where_it_can_run(
    form: Any, photo_dataset: Any, plugin: Any, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.get_operator("@premask/premask/semantic_map")
    monkeypatch.setattr(part("forms.label_form"), "located_weights", lambda model: Path("here"))
    assert form("semantic_map", photo_dataset)["recipe"]["default"] == "semantic"
    assert form("label_samples", photo_dataset)["recipe"]["default"] == "subject"
