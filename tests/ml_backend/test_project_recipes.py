"""One server, many projects: recipes, settings and thresholds by project and by tag."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.predict.offered_recipes import require_ready
from premask.annotations import Annotation
from premask.images import Image
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, recipe_of
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    clicked,
    keypoint,
    payload,
    predict_call,
    rectangle,
    results,
)
from tests.ml_backend.test_predictor import replace_stages

if TYPE_CHECKING:
    from starlette.testclient import TestClient

BOXES = """
<View>
  <Image name="img" value="$image"/>
  <RectangleLabels name="box" toName="img"><Label value="Cat"/><Label value="Cow"/>
  </RectangleLabels>
</View>
"""

TWO_RECIPES = """
<View>
  <Image name="img" value="$image"/>
  <RectangleLabels name="a" toName="img" model_recipe="dino"><Label value="Cat"/></RectangleLabels>
  <RectangleLabels name="b" toName="img" model_recipe="owl"><Label value="Cow"/></RectangleLabels>
  <RectangleLabels name="c" toName="img"><Label value="Dog"/></RectangleLabels>
</View>
"""

TOOLS = """
<View>
  <Image name="img" value="$image"/>
  <RectangleLabels name="box" toName="img"><Label value="Cat" model_score_threshold="1"/>
  </RectangleLabels>
  <KeyPointLabels name="kp" toName="img" smart="true" model_recipe="click-sam2"><Label value="Cat"/>
  </KeyPointLabels>
  <RectangleLabels name="srect" toName="img" smart="true" smartOnly="true"><Label value="Cat"/>
  </RectangleLabels>
</View>
"""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that run. They load no model, and find a cat, a cow and a dog."""
    recipes: list[Recipe] = []

    def run_stages(
        images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
    ) -> list[tuple[Annotation, ...]]:
        recipes.extend(recipe for _ in images)
        scores = {"cat": 0.5, "cow": 0.9, "dog": 0.2}
        found = tuple(
            Annotation(label=label, box_xyxy=(1, 2, 5, 6), score=score)
            for label, score in scores.items()
        )
        return [found for _ in images]

    replace_stages(monkeypatch, run_stages)
    monkeypatch.setattr(ModelPool, "load", lambda pool, name: None)
    monkeypatch.setattr("ml_backend.server.state.require_ready", lambda recipes: None)
    return recipes


def set_up(client: TestClient, said: object, *, number: int = 1, config: str = BOXES) -> Any:
    """Connect a project, as the form does; returns the response."""
    call = {"project": f"{number}.1795245992", "schema": config, "extra_params": said}
    return client.post("/setup", json={**payload("setup"), **call})


def labels_of(client: TestClient, *, number: int = 1, config: str = BOXES) -> list[tuple[str, str]]:
    """The tag and the label of all that is proposed for a photo of a project."""
    call = {**predict_call("/a.png", config=config), "project": f"{number}.1795245992"}
    (item,) = results(client, call)
    return [
        (region["from_name"], region["value"]["rectanglelabels"][0]) for region in item["result"]
    ]


def test_projects_of_one_server_have_recipes_of_their_own(
    connect: Connect, ran: list[Recipe]
) -> None:
    client = connect(recipe="faces")
    told = set_up(client, "recipe=detect threshold=0.7", number=1).json()
    other = set_up(client, None, number=2).json()
    assert told["model_version"].startswith("premask-detect-")
    assert other["model_version"].startswith("premask-faces-")
    assert "By the extra params: recipe=detect, threshold=0.7." in told["report"]
    labels_of(client, number=1)
    labels_of(client, number=2)
    assert [recipe.name for recipe in ran] == ["detect", "faces"]
    assert ran[0].settings()["find.threshold"].default == 0.7
    again = set_up(client, "recipe=detect threshold=0.8", number=1).json()
    assert again["model_version"] != told["model_version"]
    assert set_up(client, "", number=1).json()["model_version"] == other["model_version"]


def test_a_project_keeps_its_recipe_when_the_server_starts_again(
    connect: Connect, ran: list[Recipe]
) -> None:
    told = set_up(connect(recipe="faces"), '{"recipe": "detect"}').json()
    (item,) = results(
        connect(recipe="faces"),
        {**predict_call("/a.png", config=BOXES), "project": "1.1795245992"},
    )
    assert item["model_version"] == told["model_version"]
    assert [recipe.name for recipe in ran] == ["detect"]


def test_what_is_refused_in_the_form_leaves_the_project_as_it_was(
    connect: Connect, ran: list[Recipe]
) -> None:
    client = connect(recipe="faces")
    set_up(client, "recipe=detect")
    assert set_up(client, "recipe=detekt").status_code == 422
    labels_of(client)
    assert [recipe.name for recipe in ran] == ["detect"]


def test_a_file_of_projects_that_is_broken_stops_nothing(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "projects.json").write_text("{")
    client = connect(recipe="faces")
    assert set_up(client, "recipe=click").status_code == 200
    assert "recipe" in (tmp_path / "projects.json").read_text()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("recipe=facse", "extra params: There is no recipe 'facse'. Did you mean 'faces'?"),
        ("recipe=follow", "follows objects in videos: name it video_recipe"),
        ("video_recipe=faces", "'faces' is for images"),
        ("recipe=click interactive_recipe=click", "can't label whole tasks"),
        ("recipe=faces refine.smoth=2", "Did you mean 'smooth'?"),
        ("recipe=dino-sam2", "Get them with: premask models download grounding-dino-tiny"),
        ("recipe=sam3", "The recipe 'sam3' can't run here. The owner of 'sam3' asks you to"),
        ("find.model=haar-fase", "Did you mean 'haar-face'?"),
    ],
)
def test_what_can_not_be_is_told_in_the_form(
    connect: Connect, own_home: None, said: str, told: str
) -> None:
    response = set_up(connect(recipe="faces"), said)
    assert response.is_error
    assert told in response.json()["error"]
    assert told[:60] in response.headers["x-premask-reason"]


def test_no_project_names_a_file_that_the_owner_did_not(connect: Connect, tmp_path: Path) -> None:
    own, secret = tmp_path / "own.toml", tmp_path / "secret.toml"
    for path in (own, secret):
        path.write_text(f'[{path.stem}]\nfind = {{ model = "haar-face" }}\n')
    weights = tmp_path / "secret.pt"
    weights.write_bytes(b"secret")
    client = connect(recipe="faces", project_recipes=[str(own), "subject"])
    assert set_up(client, "recipe=own").json()["model_version"].startswith("premask-own-")
    for said in (f"recipe={secret}", f"recipe={own}", "recipe=secret"):
        assert "There is no recipe" in set_up(client, said).json()["error"]
    for name in (str(weights), f"yolo:{weights}", str(tmp_path / "nothing.pt")):
        refused = set_up(client, f"recipe=own find.model={name}").json()["error"]
        assert "There is no model" in refused
    assert (
        "does not offer the recipe 'click-sam2'"
        in (set_up(client, "interactive_recipe=click-sam2").json()["error"])
    )
    config = BOXES.replace('name="box"', f'name="box" model_recipe="{secret}"')
    assert "There is no recipe" in set_up(client, None, config=config).json()["error"]


def test_a_tag_has_a_recipe_of_its_own(connect: Connect, ran: list[Recipe]) -> None:
    client = connect(recipe="faces")
    told = set_up(client, None, config=TWO_RECIPES).json()
    assert told["model_version"].startswith("premask-dino+owl+faces-")
    assert "by 'faces' with <RectangleLabels name=\"c\">" in " ".join(told["report"])
    assert labels_of(client, config=TWO_RECIPES) == [
        ("a", "Cat"),
        ("b", "Cow"),
        ("c", "Dog"),
    ]
    assert [recipe.name for recipe in ran] == ["dino", "owl", "faces"]


def test_a_tag_wins_over_extra_params_and_these_over_the_server(
    connect: Connect, ran: list[Recipe]
) -> None:
    client = connect(recipe="faces", recipe_settings=["select.min_score=0.1"])
    config = BOXES.replace('toName="img"', 'toName="img" model_score_threshold="0.6"')
    assert labels_of(client) == [("box", "Cat"), ("box", "Cow")]
    set_up(client, "threshold=0.3")
    labels_of(client)
    labels_of(client, config=config)
    least = [recipe.settings()["select.min_score"].default for recipe in ran]
    assert least == [0.1, 0.3, 0.6]


def test_each_tag_and_each_label_has_its_own_threshold(connect: Connect, ran: list[Recipe]) -> None:
    config = """<View><Image name="img" value="$image"/>
      <RectangleLabels name="low" toName="img" model_score_threshold="0.1"><Label value="Dog"/>
        <Label value="Cat" model_score_threshold="0.6"/></RectangleLabels>
      <RectangleLabels name="usual" toName="img" model_also="1"><Label value="Cow"/>
        <Label value="Dog"/></RectangleLabels></View>"""
    client = connect(recipe="detect")
    # The model looks with the lowest one, and the tag without one keeps the recipe's own 0.5.
    assert labels_of(client, config=config) == [("usual", "Cow"), ("low", "Dog")]
    assert ran[0].settings()["find.threshold"].default == 0.1
    version = set_up(client, None, config=config).json()["model_version"]
    changed = set_up(client, None, config=config.replace("0.6", "0.7")).json()["model_version"]
    assert version != changed


def test_a_threshold_that_is_no_score_is_told(connect: Connect) -> None:
    config = BOXES.replace('value="Cat"', 'value="Cat" model_score_threshold="high"')
    refused = set_up(connect(recipe="faces"), None, config=config).json()["error"]
    assert '<Label value="Cat">: model_score_threshold="high" must be a number from 0' in refused


def test_a_tool_has_a_recipe_of_its_own(connect: Connect, ran: list[Recipe]) -> None:
    client = connect(recipe="faces")
    told = " ".join(set_up(client, None, config=TOOLS).json()["report"])
    assert "Answered by 'click-sam2': clicks (<KeyPointLabels" in told
    assert "Answered by 'click': boxes (<RectangleLabels" in told
    for region in (keypoint(30, 20), rectangle(10, 10, 40, 40)):
        call = predict_call("/a.png", config=TOOLS, context=clicked(region))
        (item,) = results(client, call)
        # However doubtful, it was asked for.
        assert [one["value"]["rectanglelabels"] for one in item["result"]] == [["Cat"]]
    assert [recipe.name for recipe in ran] == ["click-sam2", "click"]


def test_models_that_were_used_longest_ago_are_freed_and_shown(connect: Connect) -> None:
    client = connect(recipe="faces", model_megabytes=1)
    config = BOXES.replace("<RectangleLabels", '<RectangleLabels model_recipe="subject"')
    subject = config.replace('value="Cat"', 'value="Cat" model_phrases="subject"')
    set_up(client, None, config=subject)
    for _ in range(2):
        (item,) = results(client, predict_call("/a.png", config=subject))
        assert [region["type"] for region in item["result"]] == ["rectanglelabels"]
        results(client, predict_call("/a.png", config=BOXES))
        loaded = client.app.state.backend.predictors.pool.loaded_bytes()  # type: ignore[attr-defined]
        assert "u2netp" not in loaded
    page = client.get("/status").text
    assert "freed, and loaded again when it is needed" in page
    assert "weights in memory" in page


def test_a_library_that_is_just_being_imported_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are loaded in a thread, and OpenCV takes its own spec away meanwhile."""
    monkeypatch.setattr(import_module("cv2"), "__spec__", None)
    require_ready([recipe_of("click")])
