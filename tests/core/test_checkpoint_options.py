"""Settings that suit a checkpoint: from the catalog, beneath those of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from premask.errors import InvalidSetting, UnknownSetting
from premask.models.catalog import checkpoint_of
from premask.models.options import BirefnetOptions, ClosedFormOptions, NoOptions
from premask.models.registry import FAMILIES
from premask.recipes.recipe import recipe_of, recipes_from_file
from premask.recipes.stage_settings import STAGES
from premask.settings import settings_of

LARGE = '[large]\nfamily = "birefnet"\noptions = { width = 2048, height = 1024 }\n'


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the person's own catalog."""
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))

    def write(text: str) -> None:
        (tmp_path / "models.toml").write_text(text, encoding="utf-8")

    return write


def recipe_in(folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(f"[mine]\n{text}\n", encoding="utf-8")
    return str(folder / "mine.toml")


def test_a_checkpoint_has_its_own_defaults(own_models: Callable[[str], None]) -> None:
    own_models(LARGE)
    checkpoint = checkpoint_of("large")
    assert checkpoint.options_for("matte") == BirefnetOptions(width=2048, height=1024)
    assert checkpoint.options_for("find") == BirefnetOptions(width=2048, height=1024)
    assert checkpoint_of("closed-form").options_for("matte") == ClosedFormOptions()
    assert checkpoint_of("u2netp").options_for("find") == NoOptions()


def test_the_recipe_has_the_last_word(own_models: Callable[[str], None], tmp_path: Path) -> None:
    own_models(LARGE)
    recipe = recipe_of(recipe_in(tmp_path, 'matte = { model = "large", height = 512 }'))
    assert recipe.matte is not None
    assert recipe.matte.options == BirefnetOptions(width=2048, height=512)
    assert recipe.settings()["matte.width"].default == 2048
    assert recipe.table() == {"matte": {"model": "large", "height": 512}}
    again = recipe.with_settings({"matte.width": "1024"})
    assert again.matte is not None
    assert again.matte.options == BirefnetOptions(width=1024, height=512)


def test_defaults_of_one_checkpoint_do_not_stay_with_the_next(
    own_models: Callable[[str], None], tmp_path: Path
) -> None:
    own_models(LARGE + '[small]\nfamily = "birefnet"\n')
    (recipe,) = recipes_from_file(Path(recipe_in(tmp_path, 'matte = { model = "large" }'))).values()
    small = recipe.with_settings({"matte.model": "small"})
    assert small.matte is not None
    assert small.matte.options == BirefnetOptions()
    assert recipe.fingerprint != small.fingerprint


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("{ widht = 2048 }", UnknownSetting, r"\[odd\]: options.*Did you mean 'width'"),
        ("{ width = -1 }", InvalidSetting, r"options\.width must be a whole number.*got -1"),
        ("[2048]", InvalidSetting, "options must be a table"),
    ],
)
def test_what_does_not_fit_the_family_is_refused(
    own_models: Callable[[str], None], options: str, error: type[Exception], message: str
) -> None:
    own_models(f'[odd]\nfamily = "birefnet"\noptions = {options}\n')
    with pytest.raises(error, match=message):
        checkpoint_of("odd")


@pytest.mark.parametrize("family", FAMILIES)
def test_no_setting_of_a_family_has_the_name_of_one_of_its_stage(family: str) -> None:
    """A recipe could not say which of the two it means."""
    for stage in FAMILIES[family].stages:
        own = settings_of(FAMILIES[family].options_type(stage))
        assert not set(own) & set(settings_of(STAGES[stage]))
