"""What Label Studio 1.23.2 was seen to send, and what it does with each kind of answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.studio.protocol import (
    NOT_LOOKED_AT,
    PredictCall,
    answer,
    failed_item,
    prediction_json,
    without_run_lengths,
)
from premask.errors import InvalidRequest
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    CONFIG,
    HEIGHT,
    ONE_LABEL,
    WIDTH,
    Json,
    MemoryFetcher,
    clicked,
    covers_disk,
    keypoint,
    payload,
    predict_call,
    rectangle,
    results,
    saved_by_label_studio,
    text,
)

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_health_says_that_it_is_up(connect: Connect) -> None:
    client = connect()
    for path in ("/", "/health"):
        assert client.get(path).json() == {"status": "UP"}


def test_setup_names_the_version_and_says_what_is_served(connect: Connect) -> None:
    client = connect(recipe="subject")
    told = client.post("/setup", json=payload("setup")).json()
    assert told["model_version"].startswith("premask-subject-")
    report = " ".join(told["report"])
    assert 'written with <BrushLabels name="brush"> as Cat, Dog' in report
    assert 'clicks (<KeyPointLabels name="kp">)' in report
    assert client.get("/versions").json() == {"versions": [told["model_version"]]}


def test_a_project_without_images_is_refused_with_the_reason(connect: Connect) -> None:
    client = connect()
    schema = '<View><Text name="t" value="$t"/></View>'
    response = client.post("/setup", json={**payload("setup"), "schema": schema})
    assert response.status_code == 422
    assert "no <Image" in response.json()["error"]
    assert "no <Image" in response.headers["x-premask-reason"]


def test_a_project_that_can_not_be_served_is_named_where_people_look(connect: Connect) -> None:
    client = connect()
    client.post("/setup", json={**payload("setup"), "project": "37.1795226314", "schema": "<View>"})
    assert "/setup of project 37" in client.get("/status").text


def test_a_new_project_may_be_connected_before_it_has_labels(connect: Connect) -> None:
    client = connect(recipe="subject")
    told = client.post("/setup", json={**payload("setup"), "schema": "<View></View>"})
    assert told.status_code == 200
    assert "empty" in told.json()["report"][0]
    items = results(client, predict_call("/a.png", config="<View></View>"))
    assert saved_by_label_studio(1, items) == [[]]


def test_a_batch_has_one_item_a_task_in_order(connect: Connect) -> None:
    client = connect(recipe="subject")
    items = results(client, predict_call("/a.png", "/b.png", "/a.png", config=ONE_LABEL))
    saved = saved_by_label_studio(3, items)
    regions = [prediction["result"] for (prediction,) in saved]
    places = [(30, 20), (60, 40), (30, 20)]
    assert all(
        covers_disk(regions_of_task[0], *at)
        for regions_of_task, at in zip(regions, places, strict=True)
    )


def test_a_failed_task_is_asked_for_again_and_the_others_are_kept(
    connect: Connect, fetcher: MemoryFetcher
) -> None:
    client = connect(recipe="subject")
    call = predict_call("/a.png", "/gone.png", "/b.png", config=ONE_LABEL)
    items = results(client, call)
    assert [len(predictions) for predictions in saved_by_label_studio(3, items)] == [1, 0, 1]
    assert "no such file" in items[1]["error"]
    fetcher.files["/gone.png"] = fetcher.files["/a.png"]
    assert [
        len(predictions) for predictions in saved_by_label_studio(3, results(client, call))
    ] == [1, 1, 1]


def test_a_task_in_which_nothing_is_found_is_not_asked_for_again(connect: Connect) -> None:
    client = connect(recipe="faces")
    items = results(client, predict_call("/a.png"))
    ((prediction,),) = saved_by_label_studio(1, items)
    assert prediction["result"] == []
    assert prediction["model_version"].startswith("premask-faces-")


def test_broken_tasks_fail_alone(connect: Connect) -> None:
    client = connect(recipe="subject")
    call = predict_call("/a.png", "/b.png", config=ONE_LABEL)
    tasks = [None, {"id": 9}, {"id": 8, "data": {"other": "/a.png"}}, *call["tasks"]]
    items = results(client, {**call, "tasks": tasks})
    assert [len(predictions) for predictions in saved_by_label_studio(5, items)] == [0, 0, 0, 1, 1]
    assert "no image in 'image'" in items[2]["error"]


def test_no_tasks_get_no_items(connect: Connect) -> None:
    assert results(connect(), {**predict_call(), "tasks": []}) == []


def test_a_recipe_for_clicks_looks_at_no_whole_tasks(connect: Connect) -> None:
    client = connect(recipe="click")
    assert saved_by_label_studio(2, results(client, predict_call("/a.png", "/b.png"))) == [[], []]
    told = client.post("/setup", json=payload("setup")).json()
    assert told["model_version"].startswith("premask-click-")
    assert "'click' answers clicks only" in " ".join(told["report"])


def version(client: TestClient, schema: str = CONFIG) -> str:
    told: str = client.post("/setup", json={**payload("setup"), "schema": schema}).json()[
        "model_version"
    ]
    return told


def test_the_version_changes_with_the_recipe_its_settings_and_the_labels(connect: Connect) -> None:
    subject = connect(recipe="subject")
    grown = connect(recipe="subject", recipe_settings=["refine.grow=2"])
    assert version(subject) == version(connect(recipe="subject"))
    assert len({version(subject), version(grown), version(connect(recipe="faces"))}) == 3
    fewer = CONFIG.replace('<Label value="Dog"/>', "")
    colored = CONFIG.replace('value="Cat"', 'value="Cat" background="#FF0000"')
    assert version(subject, fewer) != version(subject) == version(subject, colored)


def test_the_version_changes_with_the_weights(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version(connect(recipe="subject"))
    monkeypatch.setattr(
        "premask.recipes.recipe.weights_identity", lambda checkpoint: "other weights"
    )
    assert version(connect(recipe="subject")) != before


@pytest.mark.parametrize("context", [{}, {"result": []}, {"result": None}])
def test_an_empty_context_gets_an_empty_result(connect: Connect, context: Json) -> None:
    (item,) = results(connect(), predict_call("/a.png", context=context))
    assert item["result"] == []
    assert item["model_version"].startswith("premask-click-")


def test_a_click_gets_the_mask_under_it(connect: Connect) -> None:
    call = predict_call("/b.png", context=clicked(keypoint(60, 40, label="Dog")))
    (item,) = results(connect(), call)
    (region,) = item["result"]
    assert covers_disk(region, 60, 40)
    assert region["value"]["brushlabels"] == ["Dog"]
    assert (region["from_name"], region["to_name"], region["type"]) == (
        "brush",
        "img",
        "brushlabels",
    )
    assert (region["original_width"], region["original_height"]) == (WIDTH, HEIGHT)


def test_the_recorded_click_is_answered(connect: Connect, fetcher: MemoryFetcher) -> None:
    call = payload("predict_interactive")
    fetcher.files[call["tasks"][0]["data"]["image"]] = fetcher.files["/a.png"]
    (item,) = results(connect(), call)
    assert [region["from_name"] for region in item["result"]] == ["brush"]


def test_points_accumulate_to_one_object_and_alt_takes_away(connect: Connect) -> None:
    client = connect()
    points = [keypoint(30, 20), keypoint(34, 24), keypoint(80, 55, positive=False)]
    (item,) = results(client, predict_call("/a.png", context=clicked(*points)))
    (region,) = item["result"]
    assert covers_disk(region, 30, 20)


def test_two_rectangles_get_two_masks(connect: Connect) -> None:
    boxes = [rectangle(16, 6, 44, 34), rectangle(46, 26, 74, 54, label="Dog")]
    (item,) = results(connect(), predict_call("/both.png", context=clicked(*boxes)))
    cat, dog = item["result"]
    assert covers_disk(cat, 30, 20)
    assert covers_disk(dog, 60, 40)
    assert [region["value"]["brushlabels"] for region in (cat, dog)] == [["Cat"], ["Dog"]]


def test_the_same_click_twice_gets_other_ids(connect: Connect) -> None:
    client = connect()
    call = predict_call("/a.png", context=clicked(keypoint(30, 20)))
    ids = [results(client, call)[0]["result"][0]["id"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert {len(identifier) for identifier in ids} == {10}


def test_the_answer_to_a_click_is_one_table_and_no_list(connect: Connect) -> None:
    items = results(connect(), predict_call("/a.png", context=clicked(keypoint(30, 20))))
    assert [type(item) for item in items] == [dict]


def test_words_without_a_recipe_for_them_are_refused_with_a_way_out(connect: Connect) -> None:
    call = predict_call("/a.png", context=clicked(text("a red cat")))
    response = connect().post("/predict", json=call)
    assert response.status_code == 422
    assert "--interactive-recipe" in response.headers["x-premask-reason"]


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (keypoint(5, 5, positive=False), "All points are negative"),
        ({**keypoint(5, 5), "to_name": "other"}, "on the tag 'other'"),
        ({**keypoint(5, 5), "value": {"x": "left"}}, "can't be read"),
        ({**keypoint(5, 5), "value": None}, "a region with a value"),
        (None, "a region with a value"),
        ({**keypoint(5, 5), "type": "brushlabels", "value": {"rle": [1, 2]}}, "can't be read"),
    ],
)
def test_a_click_that_can_not_be_answered_says_why(
    connect: Connect, region: Any, words: str
) -> None:
    client = connect()
    call = predict_call("/a.png", context=clicked(region))
    response = client.post("/predict", json=call)
    assert response.status_code in (400, 422)
    assert words in response.json()["error"]
    assert words.replace("'", "&#x27;") in client.get("/status").text
    assert 'outcome="failed"' in client.get("/metrics").text or response.status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"null", b'{"tasks": 3}', b'{"tasks": [], "params": 3}', b"["],
)
def test_a_request_that_is_none_is_refused(connect: Connect, body: bytes) -> None:
    response = connect().post("/predict", content=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_other_paths_and_methods_are_refused(connect: Connect) -> None:
    client = connect()
    assert client.get("/predict").status_code == 405
    assert client.get("/nothing").status_code == 404


def test_an_unforeseen_error_shows_no_traceback(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("ml_backend.server.state.parse_label_config", broken)
    response = connect().post("/setup", json=payload("setup"))
    assert (response.status_code, response.json()) == (500, {"error": "RuntimeError('a mistake')"})


def test_brushes_of_the_task_are_skipped_and_those_of_a_person_are_not() -> None:
    call = predict_call("/a.png", context=clicked({"value": {"format": "rle", "rle": [7, 8, 9]}}))
    brush = {"value": {"format": "rle", "rle": list(range(256)) * 4, "brushlabels": ["Cat"]}}
    call["tasks"][0]["annotations"] = [{"result": [brush, {"value": {"rle": []}}, brush]}]
    for separators in ((", ", ": "), (",", ":")):
        body = json.dumps(call, separators=separators).encode()
        short = without_run_lengths(body, body.rfind(b'"params":'))
        read = json.loads(short)
        assert len(short) < len(body) - 2000
        kept = read["tasks"][0]["annotations"][0]["result"]
        assert [region["value"]["rle"] for region in kept] == [[], [], []]
        assert kept[0]["value"]["brushlabels"] == ["Cat"]
        assert read["params"] == call["params"]
        assert PredictCall.parse(body).context == call["params"]["context"]


@pytest.mark.parametrize("said", ['"rle": [1', '"rle":', '\\"rle\\": [1]', '"rle": {"a": 1}'])
def test_what_only_looks_like_a_brush_is_left_alone(said: str) -> None:
    body = said.encode()
    assert without_run_lengths(body, len(body)) == body


def test_texts_with_brackets_survive() -> None:
    call = predict_call('/"rle": [1, 2].png', '"params"')
    assert [task.data["image"] for task in PredictCall.parse(json.dumps(call).encode()).tasks] == [
        '/"rle": [1, 2].png',
        '"params"',
    ]


def test_a_stroke_survives_labels_that_look_like_keys() -> None:
    stroke = {"value": {"rle": [1, 2], "brushlabels": ["params"]}, "type": "brushlabels"}
    call = predict_call("/a.png", context=clicked(stroke))
    assert PredictCall.parse(json.dumps(call).encode()).context == clicked(stroke)


def test_a_prediction_in_json_is_what_pythons_own_writer_makes_of_it() -> None:
    rles: list[list[int]] = [list(range(256)), [], [0], [255, 10, 9, 100, 99]]
    regions = [{"id": "é", "value": {"rle": rle, "brushlabels": ['"rle": []']}} for rle in rles]
    box = {"id": "b", "value": {"x": 0.1}, "score": 0.5}
    prediction: Json = {"model_version": "v", "result": [*regions, box], "score": 0.5}
    assert json.loads(prediction_json(prediction)) == prediction
    assert prediction["result"][0]["value"]["rle"] == list(range(256))
    assert json.loads(prediction_json({"task": 1, "result": []})) == {"task": 1, "result": []}
    with pytest.raises(ValueError, match="not JSON compliant"):
        prediction_json({"result": [], "score": float("nan")})


def test_items_are_joined_to_one_answer() -> None:
    items = (NOT_LOOKED_AT, failed_item("why", "v"))
    document = json.loads(answer(json.dumps(item).encode() for item in items))
    assert document == {"results": [[], {"model_version": "v", "error": "why"}]}


def test_a_context_must_be_a_table() -> None:
    call = {**predict_call("/a.png"), "params": {"context": [1]}}
    with pytest.raises(InvalidRequest, match="context"):
        PredictCall.parse(json.dumps(call).encode())
