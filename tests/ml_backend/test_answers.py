"""Answers to /predict: deadlines, queues, and many people at the same time."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import PIL.Image
import pytest

from ml_backend.predict.predictor import Prediction
from ml_backend.server.state import ServerState
from ml_backend.studio.protocol import Task
from premask.images import Image, read_image
from premask.labels import brush_rle
from tests.ml_backend.conftest import SOON, Connect, HeldPredictor
from tests.ml_backend.label_studio_calls import (
    HEIGHT,
    ONE_LABEL,
    RADIUS,
    WIDTH,
    Json,
    MemoryFetcher,
    clicked,
    covers_disk,
    disks_png,
    keypoint,
    predict_call,
    results,
    saved_by_label_studio,
    until,
)


def backend_of(client: Any) -> ServerState:
    backend: ServerState = client.app.state.backend
    return backend


def test_what_is_late_goes_on_and_is_there_when_asked_for_again(
    connect: Connect, held: HeldPredictor
) -> None:
    client = connect(recipe="subject", deadline_seconds=0.2, batch_workers=1)
    call = predict_call("/a.png", "/b.png", "/c.png")
    assert saved_by_label_studio(3, results(client, call)) == [[], [], []]
    held.let_go.set()
    until(lambda: len(held.begun) == 3 and not backend_of(client).answers.batch_lane.running)
    saved = saved_by_label_studio(3, results(client, call))
    assert [len(predictions) for predictions in saved] == [1, 1, 1]
    assert held.begun == [1, 2, 3]
    assert 'outcome="late"} 3' in client.get("/metrics").text


def test_what_is_done_by_the_deadline_is_answered(connect: Connect, held: HeldPredictor) -> None:
    client = connect(recipe="subject", deadline_seconds=0.5, batch_workers=1)

    def first_only(task: Task) -> Prediction:
        if task.id != 1:
            assert held.let_go.wait(SOON)
        return Prediction(content={"model_version": "v", "result": []})

    held.predict = first_only  # type: ignore[method-assign]
    items = results(client, predict_call("/a.png", "/b.png"))
    assert [len(predictions) for predictions in saved_by_label_studio(2, items)] == [1, 0]


def test_another_version_is_another_result(connect: Connect, held: HeldPredictor) -> None:
    held.let_go.set()
    client = connect(recipe="subject")
    for config in (ONE_LABEL, ONE_LABEL, ONE_LABEL.replace("Thing", "Other")):
        results(client, predict_call("/a.png", config=config))
    assert len(held.begun) == 3


def test_tasks_beyond_the_queue_are_left_for_the_next_time(
    connect: Connect, held: HeldPredictor
) -> None:
    client = connect(recipe="subject", deadline_seconds=0.2, batch_workers=1, max_waiting_tasks=2)
    call = predict_call(*[f"/{number}.png" for number in range(9)])
    assert saved_by_label_studio(9, results(client, call)) == [[]] * 9
    metrics = client.get("/metrics").text
    assert 'outcome="late"} 3' in metrics
    assert 'outcome="refused"} 6' in metrics


def test_who_opens_a_task_does_not_wait_behind_a_batch(
    connect: Connect, held: HeldPredictor
) -> None:
    client = connect(recipe="subject", deadline_seconds=0.2, batch_workers=1)
    results(client, predict_call("/a.png", "/b.png", "/c.png"))
    assert held.begun == [1]
    results(
        client,
        predict_call("/c.png") | {"tasks": predict_call("", "", "/c.png")["tasks"][2:]},
    )
    assert held.begun == [1, 3]


def test_too_many_clicks_are_told_to_come_again(connect: Connect, held: HeldPredictor) -> None:
    client = connect(recipe="click", interactive_workers=1, max_waiting_clicks=1)
    call = predict_call("/a.png", context=clicked(keypoint(1, 1)))
    with ThreadPoolExecutor(2) as people:
        waiting = [people.submit(client.post, "/predict", json=call) for _ in range(2)]
        until(lambda: backend_of(client).answers.click_lane.waiting == 1)
        refused = client.post("/predict", json=call)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        held.let_go.set()
        assert [posted.result().status_code for posted in waiting] == [200, 200]


def test_a_click_that_waits_too_long_says_so(connect: Connect, held: HeldPredictor) -> None:
    client = connect(recipe="click", deadline_seconds=0.2)
    response = client.post("/predict", json=predict_call("/a.png", context=clicked(keypoint(1, 1))))
    assert response.status_code == 504
    assert "models are busy" in response.json()["error"]


def test_health_is_answered_while_all_is_busy(connect: Connect, held: HeldPredictor) -> None:
    client = connect(recipe="click", interactive_workers=1)
    call = predict_call("/a.png", context=clicked(keypoint(1, 1)))
    with ThreadPoolExecutor(8) as people:
        waiting = [people.submit(client.post, "/predict", json=call) for _ in range(8)]
        until(lambda: backend_of(client).answers.click_lane.waiting == 7)
        started = time.perf_counter()
        assert client.get("/health").status_code == 200
        assert time.perf_counter() - started < 0.5
        held.let_go.set()
        assert {posted.result().status_code for posted in waiting} == {200}


def test_the_clicks_of_many_people_never_mix(connect: Connect, fetcher: MemoryFetcher) -> None:
    places = {f"/{x}.png": (x, 20 + x % 30) for x in range(14, 82, 4)}
    fetcher.files |= {url: disks_png(place) for url, place in places.items()}
    client = connect(recipe="click", interactive_workers=4)

    def click(url: str) -> tuple[str, Json]:
        call = predict_call(url, context=clicked(keypoint(*places[url])))
        (item,) = results(client, call)
        return url, item

    with ThreadPoolExecutor(12) as people:
        answers = list(people.map(click, [*places] * 6))
    assert len(answers) == 6 * len(places) > 100
    for url, item in answers:
        (region,) = item["result"]
        assert covers_disk(region, *places[url])
    ids = {item["result"][0]["id"] for _, item in answers}
    assert len(ids) == len(answers)
    backend = backend_of(client)
    assert (backend.answers.click_lane.running, backend.answers.work.nbytes) == (0, 0)


def test_an_image_is_decoded_once_for_many_clicks_and_read_again_when_it_changes(
    connect: Connect, fetcher: MemoryFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []

    def counting(data: bytes, name: str) -> Image:
        decoded.append(data)
        return read_image(data, name)

    monkeypatch.setattr("ml_backend.predict.task_images.read_image", counting)
    client = connect(recipe="click")
    for _ in range(3):
        results(client, predict_call("/a.png", context=clicked(keypoint(30, 20))))
    assert len(decoded) == 1
    fetcher.files["/a.png"] = disks_png((60, 40))
    (item,) = results(client, predict_call("/a.png", context=clicked(keypoint(60, 40))))
    assert covers_disk(item["result"][0], 60, 40)
    assert backend_of(client).predictors.images.nbytes == 2 * 96 * 64 * 3


def test_images_in_memory_are_bounded(connect: Connect, fetcher: MemoryFetcher) -> None:
    client = connect(recipe="click", image_megabytes=0)
    results(client, predict_call("/a.png", context=clicked(keypoint(30, 20))))
    assert backend_of(client).predictors.images.nbytes == 0


def test_a_photo_is_upright_as_label_studio_shows_it(
    connect: Connect, fetcher: MemoryFetcher
) -> None:
    lying = PIL.Image.open(io.BytesIO(disks_png((30, 20))))
    turned = PIL.Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by a quarter
    file = io.BytesIO()
    lying.save(file, "JPEG", quality=95, exif=turned)
    fetcher.files["/turned.jpg"] = file.getvalue()
    x, y = HEIGHT - 1 - 20, 30
    click = {**keypoint(0, 0), "original_width": HEIGHT, "original_height": WIDTH}
    click["value"] = {**click["value"], "x": 100 * x / HEIGHT, "y": 100 * y / WIDTH}
    call = predict_call("/turned.jpg", context=clicked(click))
    ((region,),) = [item["result"] for item in results(connect(recipe="click"), call)]
    assert (region["original_width"], region["original_height"]) == (HEIGHT, WIDTH)
    alpha = brush_rle.decode(region["value"]["rle"], (WIDTH, HEIGHT))
    assert alpha[y, x] == 255
    assert abs(int((alpha > 127).sum()) - 3.14 * RADIUS**2) < 90
