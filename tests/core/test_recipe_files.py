"""Recipes as data: strict to read, exact to show, and the same whichever way they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from premask.errors import (
    InvalidRecipe,
    InvalidSetting,
    PremaskError,
    UnknownRecipe,
    UnknownSetting,
)
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of, recipes_from_file

MINE = """
[mine]
help = "A recipe of my own"
find = { model = "haar-face", neighbors = 3, label = "Gesicht" }
outline = { model = "grabcut" }
select = { top = 2, min_area = 50 }
refine = { grow = -2, feather = 1.5 }
"""


def file_with(text: str, folder: Path) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    recipe = recipe_of(file_with(MINE, tmp_path))
    assert recipe.name == "mine"
    assert recipe.models == ("haar-face", "grabcut")
    assert recipe.find is not None
    assert (recipe.find.label, recipe.find.options.neighbors) == ("Gesicht", 3)
    assert (recipe.refine.grow, recipe.refine.feather) == (-2, 1.5)


@pytest.mark.parametrize("name", built_in_recipes())
def test_what_is_shown_can_be_read_back(name: str, tmp_path: Path) -> None:
    recipe = recipe_of(name)
    assert recipe_of(file_with(str(recipe), tmp_path)) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mine]\nfnid = {}", r"\[mine\]: There is no setting 'fnid'. Did you mean 'find'\?"),
        ('[mine]\nfind = { model = "har-face" }', "Did you mean 'haar-face'"),
        ('[mine]\nfind = { model = "haar-face", neighbours = 3 }', "Did you mean 'neighbors'"),
        ('[mine]\nfind = { model = "haar-face", neighbors = 99 }', "from 0 to 50; got 99"),
        ('[mine]\nfind = { model = "grabcut" }', "'grabcut' can't find; it can outline"),
        ("[mine]\nfind = { model = 3 }", "find.model must be a text; got 3"),
        ("[mine]\nfind = { label = 'x' }", "find.model is missing"),
        ('[mine]\noutline = "grabcut"', r"outline must be a table, such as outline = \{ model"),
        ("[mine]\nrefine = { grow = 1000 }", "refine.grow must be a whole number from -500 to 500"),
        ("[mine]\nrefine = { grow = 1 }", "at least one of find, outline and matte"),
        ("[mine]\nhelp = 3", "help must be a text"),
        ("mine = 3", "a recipe is a table of stages"),
        ("[mine", "can't be read"),
        ("", "has 0 recipes"),
    ],
)
def test_mistakes_say_where_and_what(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PremaskError, match=message):
        recipe_of(file_with(text, tmp_path))


def test_a_file_of_several_needs_a_name(tmp_path: Path) -> None:
    path = file_with(MINE + MINE.replace("[mine]", "[other]"), tmp_path)
    with pytest.raises(InvalidRecipe, match="say which one"):
        recipe_of(path)
    assert recipe_of(f"{path}:other").name == "other"
    with pytest.raises(UnknownRecipe, match="Did you mean 'other'"):
        recipe_of(f"{path}:othr")
    assert list(recipes_from_file(Path(path))) == ["mine", "other"]


def test_unknown_names_and_missing_files() -> None:
    with pytest.raises(UnknownRecipe, match="Did you mean 'subject'"):
        recipe_of("subjct")
    with pytest.raises(InvalidRecipe, match="No such file"):
        recipe_of("nowhere/none.toml")


def test_settings_can_be_typed_or_given() -> None:
    recipe = recipe_of("faces")
    typed = recipe.with_settings(
        {"find.neighbors": "3", "select.labels": "a, b", "refine.grow": "-4"}
    )
    given = recipe.with_settings(
        {"find.neighbors": 3, "select.labels": ("a", "b"), "refine.grow": -4}
    )
    assert typed == given
    assert typed.settings()["find.neighbors"].default == 3
    assert typed.settings()["select.labels"].default == ("a", "b")
    assert recipe == recipe_of("faces")


def test_another_model_brings_its_own_settings() -> None:
    recipe = recipe_of("subject-cutout").with_settings(
        {"outline.model": "grabcut", "outline.iterations": "2"}
    )
    assert recipe.outline is not None
    assert recipe.outline.options.iterations == 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("grow", "3", "write stage.name"),
        ("refin.grow", "3", "Did you mean 'refine'"),
        ("refine.gro", "3", "Did you mean 'grow'"),
        ("refine.grow", "much", "refine.grow must be a whole number from -500 to 500; got 'much'"),
        ("outline.neighbors", "3", "There is no setting 'neighbors'"),
    ],
)
def test_mistakes_in_set(path: str, value: str, message: str) -> None:
    with pytest.raises(PremaskError, match=message):
        recipe_of("faces").with_settings({path: value})


def test_the_fingerprint_follows_what_decides_the_result() -> None:
    recipe = recipe_of("faces")
    changed = recipe.with_settings({"refine.grow": 1})
    assert recipe.fingerprint == recipe_of("faces").fingerprint
    assert recipe.fingerprint != changed.fingerprint
    assert changed.with_settings({"refine.grow": 0}).fingerprint == recipe.fingerprint
    assert (
        Recipe(name="x", help="y", find=recipe.find).fingerprint
        == Recipe(name="z", find=recipe.find).fingerprint
    )


def test_bounds_hold_for_given_values_too() -> None:
    with pytest.raises(InvalidSetting, match="got 501"):
        recipe_of("faces").with_settings({"refine.grow": 501})


def test_another_model_leaves_the_settings_of_the_one_before_behind(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[mine]\nfind = { model = "haar-face", neighbors = 9, label = "x" }')
    other = recipe_of(str(path)).with_settings({"find.model": "u2netp"})
    assert other.table() == {"find": {"model": "u2netp", "label": "x"}}
    with pytest.raises(UnknownSetting, match="neighbors"):
        recipe_of(str(path)).with_settings({"find.model": "u2netp", "find.neighbors": 3})
