"""Requests with a value that makes no sense, anywhere: refused with the reason, and never a 500."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    CONFIG,
    clicked,
    keypoint,
    payload,
    predict_call,
    rectangle,
    text,
)

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, -1e308, 10**18, "", "x", "\ud800", "a\x00b"),
    *([], [1], [None], [[]], [{}], {}, {"a": 1}, ["\udfff"]),
)
SENT_AS_TEXT = ("1e999", "NaN", "-Infinity", "1" * 5000)
"""Numbers that Python's own writer makes no JSON of."""


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value in a document, at any depth."""
    if path:
        yield path
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*path, key))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


BRUSH = {
    **keypoint(1, 1),
    "type": "brushlabels",
    "value": {"format": "rle", "rle": [0, 0, 0, 4, 57, 27, 255, 3], "brushlabels": ["Cat"]},
}
POLYGON = {
    **keypoint(1, 1),
    "type": "polygonlabels",
    "value": {"points": [[1, 1], [50, 1], [50, 50]], "polygonlabels": ["Cat"]},
}
ELLIPSE = {
    **keypoint(1, 1),
    "type": "ellipselabels",
    "value": {
        "x": 30,
        "y": 30,
        "radiusX": 9,
        "radiusY": 9,
        "rotation": 0,
        "ellipselabels": ["Cat"],
    },
}
REGIONS = (keypoint(30, 20), rectangle(16, 6, 44, 34), text("a cat"), BRUSH, POLYGON, ELLIPSE)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: str(region["type"]))
def test_no_value_of_a_click_breaks_the_server(connect: Connect, region: Any) -> None:
    client = connect(recipe="click", requests_per_minute=10**6)
    for path in paths(region):
        for value in ODD_VALUES:
            call = predict_call("/a.png", context=clicked(with_value(region, path, value)))
            response = client.post("/predict", content=json.dumps(call))
            assert response.status_code in (200, 400, 422), (path, value, response.text)
            assert response.status_code == 200 or response.json()["error"]
            assert "Error(" not in response.text, (path, value, response.text)


CALLS = (
    ("/setup", payload("setup")),
    ("/predict", predict_call("/gone.png")),
    ("/predict", predict_call("/gone.png", context=clicked(keypoint(1, 1)))),
)


@pytest.mark.parametrize(("route", "call"), CALLS, ids=["setup", "batch", "click"])
def test_no_value_of_a_call_breaks_the_server(connect: Connect, route: str, call: Any) -> None:
    client = connect(recipe="subject", requests_per_minute=10**6)
    chance = random.Random(11)
    for path in paths(call):
        for value in chance.sample(ODD_VALUES, 6):
            response = client.post(route, content=json.dumps(with_value(call, path, value)))
            assert response.status_code in (200, 400, 422), (path, value, response.text)
            assert "Error(" not in response.text, (path, value, response.text)
    assert client.get("/status").status_code == 200


@pytest.mark.parametrize("number", SENT_AS_TEXT)
def test_numbers_that_are_none_are_refused(connect: Connect, number: str) -> None:
    region = with_value(keypoint(30, 20), ("value", "x"), "NUMBER")
    body = json.dumps(predict_call("/a.png", context=clicked(region)))
    response = connect(recipe="click").post("/predict", content=body.replace('"NUMBER"', number))
    assert response.status_code == 400
    assert "number" in response.json()["error"]


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (with_value(keypoint(30, 20), ("value", "x"), 1e308), "not on the image"),
        (with_value(rectangle(1, 1, 9, 9), ("value", "x"), 1e308), "can't be read"),
        (with_value(rectangle(1, 1, 9, 9), ("value", "rectanglelabels"), [1]), "'rectanglelabels'"),
        (with_value(text("a"), ("value", "text"), 5), "'text' must be"),
    ],
)
def test_what_makes_no_sense_is_named(connect: Connect, region: Any, words: str) -> None:
    call = predict_call("/a.png", context=clicked(region))
    response = connect(recipe="click").post("/predict", json=call)
    assert response.status_code == 422
    assert words in response.json()["error"]


def test_half_a_surrogate_in_a_config_is_cleaned_at_the_door(connect: Connect) -> None:
    client = connect(recipe="subject")
    schema = CONFIG.replace('value="Cat"', 'value="\ud800"')
    call = {**payload("setup"), "schema": schema, "project": "5\ud800.1"}
    response = client.post("/setup", content=json.dumps(call))
    assert response.status_code in (200, 422)
    page = client.get("/status")
    assert page.status_code == 200
    assert "5\ufffd" in page.text
