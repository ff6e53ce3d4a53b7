"""What recipes are asked: labels become phrases, words go to a recipe that understands them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from premask.annotations import Annotation
from premask.images import Image
from premask.models.pool import ModelPool
from premask.prompts import Phrase, Prompts
from premask.recipes.recipe import Recipe
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    clicked,
    keypoint,
    predict_call,
    rectangle,
    results,
    text,
)

PHRASED = """
<View>
  <Image name="img" value="$image"/>
  <RectangleLabels name="box" toName="img">
    <Label value="Cat" model_phrases="cat, kitten"/><Label value="Dog"/>
  </RectangleLabels>
  <TextArea name="prompt" toName="img" smart="true"/>
  <KeyPointLabels name="kp" toName="img" smart="true"><Label value="Dog"/></KeyPointLabels>
</View>
"""

TWO_IMAGES = """
<View>
  <Image name="left" value="$first"/><Image name="right" value="$second"/>
  <RectangleLabels name="box" toName="left,right"><Label value="Cat"/></RectangleLabels>
</View>
"""

LISTED = """
<View>
  <Image name="pages" valueList="$pages"/>
  <RectangleLabels name="box" toName="pages"><Label value="Cat"/></RectangleLabels>
</View>
"""

REPEATED = """
<View>
  <Repeater on="$pages">
    <Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>
    <Labels name="labels_{{idx}}" toName="page_{{idx}}"><Label value="Cat"/></Labels>
    <Rectangle name="box_{{idx}}" toName="page_{{idx}}"/>
  </Repeater>
</View>
"""

AsksOf = list[tuple[str, Prompts]]


def replace_stages(monkeypatch: pytest.MonkeyPatch, stages: Callable[..., Any]) -> None:
    """Replace the models with these stages, for single images and for batches."""
    for caller in ("ml_backend.predict.recipe_runs", "premask.runs.pipeline"):
        monkeypatch.setattr(f"{caller}.run_stages", stages)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> AsksOf:
    """The prompts that the stages get. They load no model, and find one cat and one cow."""
    asks: AsksOf = []

    def run_stages(
        images: Sequence[Image], prompts: Sequence[Prompts], recipe: Recipe, pool: ModelPool
    ) -> list[tuple[Annotation, ...]]:
        asks.extend((recipe.name, prompt) for prompt in prompts)
        found = tuple(
            Annotation(label=label, box_xyxy=(1, 2, 5, 6), score=score)
            for label, score in (("cat", 0.5), ("cow", 0.9))
        )
        return [found for _ in images]

    replace_stages(monkeypatch, run_stages)
    monkeypatch.setattr(ModelPool, "load", lambda pool, name: None)
    return asks


def test_labels_are_the_phrases_of_a_recipe_that_understands_words(
    connect: Connect, asked: AsksOf
) -> None:
    (item,) = results(connect(recipe="dino"), predict_call("/a.png", config=PHRASED))
    phrases = (
        Phrase(text="cat", label="Cat"),
        Phrase(text="kitten", label="Cat"),
        Phrase(text="Dog", label="Dog"),
    )
    assert asked == [("dino", Prompts(phrases=phrases))]
    assert [region["value"]["rectanglelabels"] for region in item["result"]] == [["Cat"]]
    assert item["score"] == 0.5


def test_a_recipe_with_phrases_of_its_own_keeps_them(connect: Connect, asked: AsksOf) -> None:
    client = connect(recipe="dino", recipe_settings=["find.phrases=a cow"])
    results(client, predict_call("/a.png", config=PHRASED))
    assert asked == [("dino", Prompts())]


def test_a_recipe_that_understands_no_words_gets_none(connect: Connect, asked: AsksOf) -> None:
    client = connect(recipe="faces")
    results(client, predict_call("/a.png", config=PHRASED))
    assert asked == [("faces", Prompts())]
    assert "cow" in client.get("/status").text
    assert "premask_dropped_objects_total 1" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [("yolo", []), ("florence", ["find.task=object-detection"])],
)
def test_a_recipe_that_needs_no_words_gets_none(
    connect: Connect, asked: AsksOf, recipe: str, settings: list[str]
) -> None:
    """Their families understand words, but not with these weights or for this task."""
    results(
        connect(recipe=recipe, recipe_settings=settings), predict_call("/a.png", config=PHRASED)
    )
    assert asked == [(recipe, Prompts())]


@pytest.mark.parametrize("settings", [{"recipe": "dino"}, {"interactive_recipe": "dino"}])
def test_words_go_to_the_recipe_that_understands_them(
    connect: Connect, asked: AsksOf, settings: dict[str, Any]
) -> None:
    context = clicked(text("a sleeping dog"))
    call = predict_call("/a.png", config=PHRASED, context=context)
    (item,) = results(connect(**settings), call)
    assert asked == [("dino", Prompts(phrases=(Phrase(text="a sleeping dog", label="Dog"),)))]
    assert item["model_version"].startswith("premask-dino-")


def test_clicks_go_to_the_recipe_for_clicks(connect: Connect, asked: AsksOf) -> None:
    call = predict_call("/a.png", config=PHRASED, context=clicked(keypoint(1, 1, label="Dog")))
    results(connect(recipe="dino"), call)
    assert [recipe for recipe, _ in asked] == ["click"]


CHOOSING = PHRASED.replace(
    "</View>",
    '<Choices name="kind" toName="img"><Choice value="Cat"/><Choice value="Dog"/></Choices></View>',
)


def test_a_click_says_nothing_of_the_whole_image(connect: Connect, asked: AsksOf) -> None:
    client = connect(recipe="faces")
    clicks = clicked(keypoint(1, 1, label="Cat"))
    (answered,) = results(client, predict_call("/a.png", config=CHOOSING, context=clicks))
    (labeled,) = results(client, predict_call("/a.png", config=CHOOSING))
    assert [region["from_name"] for region in answered["result"]] == ["box"]
    assert [region["from_name"] for region in labeled["result"]] == ["box", "kind"]


def test_a_click_is_never_called_what_only_an_image_can_be_called(
    connect: Connect, asked: AsksOf
) -> None:
    config = CHOOSING.replace('<Choice value="Dog"/>', '<Choice value="Indoor"/>')
    context = clicked(text("indoor scene"))
    results(connect(recipe="dino"), predict_call("/a.png", config=config, context=context))
    assert asked == [("dino", Prompts(phrases=(Phrase(text="indoor scene", label="Cat"),)))]


def test_what_has_no_name_and_could_have_several_labels_is_asked_for_again(
    connect: Connect,
) -> None:
    """As a prediction without regions, Label Studio would remember it as nothing found."""
    client = connect(recipe="subject")
    (item,) = results(client, predict_call("/a.png", config=PHRASED))
    assert "result" not in item
    assert '<Label model_phrases="subject">' in item["error"]
    named = PHRASED.replace('value="Dog"', 'value="Dog" model_phrases="subject"', 1)
    (item,) = results(client, predict_call("/a.png", config=named))
    assert [region["value"]["rectanglelabels"] for region in item["result"]] == [["Dog"]]


def test_a_click_without_anything_asked_runs_nothing(connect: Connect, asked: AsksOf) -> None:
    nothing = clicked(rectangle(3, 3, 3, 3), text(" "))
    (item,) = results(connect(), predict_call("/a.png", context=nothing))
    assert (item["result"], asked) == ([], [])


def test_each_image_of_a_task_is_labeled(connect: Connect, asked: AsksOf) -> None:
    call = predict_call("", config=TWO_IMAGES, data={"first": "/a.png", "second": "/b.png"})
    (item,) = results(connect(recipe="faces"), call)
    assert [region["to_name"] for region in item["result"]] == ["left", "right"]
    assert len({region["id"] for region in item["result"]}) == 2


def test_a_click_is_on_one_image_of_several(connect: Connect, asked: AsksOf) -> None:
    click = {**keypoint(30, 20), "to_name": "right"}
    call = predict_call("", config=TWO_IMAGES, context=clicked(click), data={"second": "/b.png"})
    (item,) = results(connect(recipe="faces"), call)
    assert [region["to_name"] for region in item["result"]] == ["right"]


def test_each_page_of_a_list_is_labeled_and_clicked_by_itself(
    connect: Connect, asked: AsksOf
) -> None:
    data = {"pages": ["/a.png", "/b.png"]}
    (item,) = results(connect(recipe="faces"), predict_call("", config=LISTED, data=data))
    assert [(region["to_name"], region["item_index"]) for region in item["result"]] == [
        ("pages", 0),
        ("pages", 1),
    ]
    click = {**keypoint(30, 20), "to_name": "pages", "item_index": 1}
    call = predict_call("", config=LISTED, context=clicked(click), data=data)
    (item,) = results(connect(recipe="faces"), call)
    assert [region["item_index"] for region in item["result"]] == [1]


def test_the_tags_of_a_repeater_are_those_of_the_task(connect: Connect, asked: AsksOf) -> None:
    data = {"pages": [{"url": "/a.png"}, {"url": "/b.png"}]}
    (item,) = results(connect(recipe="faces"), predict_call("", config=REPEATED, data=data))
    assert [
        (region["type"], region["from_name"], region["to_name"]) for region in item["result"]
    ] == [
        ("rectangle", "box_0", "page_0"),
        ("labels", "labels_0", "page_0"),
        ("rectangle", "box_1", "page_1"),
        ("labels", "labels_1", "page_1"),
    ]
    (nothing,) = results(connect(recipe="faces"), predict_call("", config=REPEATED, data={"x": 1}))
    assert "no items in $pages" in nothing["error"]
    click = {**keypoint(30, 20), "to_name": "page_1"}
    call = predict_call("", config=REPEATED, context=clicked(click), data=data)
    (item,) = results(connect(recipe="faces"), call)
    assert {region["to_name"] for region in item["result"]} == {"page_1"}


def test_no_score_of_an_object_is_invented(connect: Connect) -> None:
    (item,) = results(connect(), predict_call("/a.png", context=clicked(keypoint(30, 20))))
    assert "score" not in item["result"][0]
    # The prediction's is how stable the mask is.
    assert 0 < item["score"] < 1


def test_a_model_that_fails_is_named_with_its_image(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    replace_stages(monkeypatch, broken)
    client = connect(recipe="faces")
    (item,) = results(client, predict_call("/a.png"))
    assert "'faces' failed on '/a.png': RuntimeError: out of memory" in item["error"]
    click = client.post("/predict", json=predict_call("/a.png", context=clicked(keypoint(1, 1))))
    assert click.status_code == 500
    assert "out of memory" in click.headers["x-premask-reason"]
    assert caplog.text.count("Traceback") >= 2
