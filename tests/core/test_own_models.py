"""A person's own weights: named by their path, or listed in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.errors import InvalidSetting, MissingWeights, UnknownModel, UnknownSetting
from premask.models.catalog import checkpoint_of, known_models
from premask.models.weights.installed import installed_weights, weights_identity
from premask.models.weights.kinds import LocalWeights
from premask.prompts import BoxPrompt, Prompts
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import label
from premask.toml import parse_toml


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path))
    return tmp_path


def folder_of(model_type: str, parent: Path) -> Path:
    folder = parent / f"my {model_type}"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.mark.parametrize(
    ("model_type", "family"),
    [("sam2", "sam2"), ("sam", "sam"), ("grounding-dino", "grounding-dino"), ("d_fine", "detr")],
)
def test_a_folder_says_its_family(tmp_path: Path, model_type: str, family: str) -> None:
    folder = folder_of(model_type, tmp_path)
    checkpoint = checkpoint_of(str(folder))
    assert checkpoint.family == family
    assert installed_weights(checkpoint) == folder


def test_a_prefix_says_the_family_where_the_folder_does_not(tmp_path: Path) -> None:
    folder = folder_of("something-else", tmp_path)
    assert checkpoint_of(f"sam2:{folder}").family == "sam2"
    with pytest.raises(UnknownModel, match="something-else"):
        checkpoint_of(str(folder))


def test_a_recipe_takes_a_path(tmp_path: Path) -> None:
    name = str(folder_of("sam2", tmp_path))
    recipe = recipe_of("click").with_settings({"outline.model": name})
    assert recipe.models == (name,)


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no file or folder"):
        checkpoint_of("./nothing-here.pt")
    with pytest.raises(MissingWeights, match=r"no config\.json"):
        checkpoint_of(str(tmp_path))


def test_other_weights_in_the_same_place_are_another_model(tmp_path: Path) -> None:
    folder = folder_of("sam2", tmp_path)
    recipe = recipe_of("click").with_settings({"outline.model": str(folder)})
    before = recipe.fingerprint
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert recipe.fingerprint != before


def test_an_own_file_adds_models(home: Path) -> None:
    folder = folder_of("sam2", home)
    (home / "models.toml").write_text(
        f'[cells]\nhelp = "Cells"\nfamily = "sam2"\nlicense = "MIT"\n'
        f'weights = {{ path = "{folder.name}" }}\n\n'
        '[remote]\nfamily = "sam"\nweights = { hub = "me/sam", revision = "abc", gated = true }\n'
    )
    assert {"cells", "remote", "u2netp"} <= set(known_models())
    assert installed_weights(checkpoint_of("cells")) == folder
    assert weights_identity(checkpoint_of("remote")) == "abc"
    with pytest.raises(UnknownModel, match="Did you mean 'cells'"):
        checkpoint_of("cell")


def test_an_own_file_is_parsed_once_a_run_not_once_an_image(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "models.toml").write_text('[mine]\nfamily = "grabcut"\n')
    parsed: list[str] = []

    def counting(text: str) -> dict[str, Any]:
        parsed.append(text)
        return parse_toml(text)

    monkeypatch.setattr("premask.models.catalog.parse_toml", counting)
    recipe = recipe_of("click").with_settings({"outline.model": "mine"})
    prompts = Prompts(boxes=(BoxPrompt(box_xyxy=(2, 2, 6, 6)),))
    images = [np.full((8, 8, 3), value, np.uint8) for value in range(6)]
    labeled = list(label(images, recipe, prompts=prompts, batch_size=1))
    assert [result.error for result in labeled] == [None] * len(images)
    assert len(parsed) == 1


def test_an_own_file_that_changes_is_read_again_also_for_built_in_recipes(home: Path) -> None:
    path = home / "models.toml"
    path.write_text('[u2netp]\nfamily = "u2net"\nhelp = "First"\n')
    assert [known.help for known in recipe_of("subject").checkpoints] == ["First"]
    path.write_text('[u2netp]\nfamily = "u2net"\nhelp = "Then another"\n')
    assert [known.help for known in recipe_of("subject").checkpoints] == ["Then another"]


def test_an_own_model_that_moved_says_where_it_was(home: Path) -> None:
    (home / "models.toml").write_text('[x]\nfamily = "sam2"\nweights = { path = "gone" }')
    with pytest.raises(MissingWeights, match=r"not at .*gone"):
        installed_weights(checkpoint_of("x"))


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("[x]\nfamly = 'sam2'", UnknownSetting, "Did you mean 'family'"),
        ("[x]\nfamily = 'sam9'", InvalidSetting, "one of"),
        ("x = 3", InvalidSetting, "a model is a table"),
        ("[x]\nfamily = 'sam2'\nweights = 'here'", InvalidSetting, "package, hub, path"),
        ("[x", InvalidSetting, "can't be read"),
    ],
)
def test_mistakes_in_an_own_file_are_named(
    home: Path, text: str, error: type[Exception], says: str
) -> None:
    (home / "models.toml").write_text(text)
    with pytest.raises(error, match=says):
        checkpoint_of("x")


def test_local_weights_are_what_a_path_means(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(str(folder_of("sam2", tmp_path)))
    assert isinstance(checkpoint.weights, LocalWeights)
