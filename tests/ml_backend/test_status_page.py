"""The status page for people, and the metrics for Prometheus."""

from __future__ import annotations

import html
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_backend.predict.model_loading import ModelLoading
from ml_backend.server.activity import DROPPED_NAMES, OTHERS, REMEMBERED, Activity
from ml_backend.server.connected_projects import ConnectedProject, ConnectedProjects
from ml_backend.server.corrections import Place
from ml_backend.server.metrics import exposition
from ml_backend.server.state import ServerState
from ml_backend.server.status_page import Status, status_page
from premask.errors import MissingWeights
from premask.models.pool import ModelPool
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    MemoryFetcher,
    clicked,
    keypoint,
    payload,
    predict_call,
    results,
)

MARKUP = '<script>alert("x")</script>'


def test_nothing_that_is_shown_can_be_markup() -> None:
    activity = Activity()
    activity.trouble(MARKUP, MARKUP)
    activity.predicted("batch", "ok", {MARKUP: 1})
    activity.served("/predict", 200, 0.1)
    page = status_page(
        Status(
            settings=[(MARKUP, MARKUP)],
            models=[(MARKUP, MARKUP, MARKUP)],
            gauges={"images_bytes": 2_000_000},
            projects={
                MARKUP: ConnectedProject(unusable=MARKUP),
                "2": ConnectedProject(report=(MARKUP,)),
            },
            corrections={Place("2026-11-28", MARKUP, MARKUP): Counter(accepted=3)},
            snapshot=activity.snapshot(),
        )
    )
    assert MARKUP not in page
    assert page.count(html.escape(MARKUP)) >= 9
    assert "2 MB" in page


def test_the_page_shows_the_last_errors_and_what_was_dropped(
    connect: Connect, fetcher: MemoryFetcher
) -> None:
    client = connect(recipe="subject")
    client.post("/setup", json=payload("setup"))
    results(client, predict_call("/gone.png", "/a.png"))
    client.post("/predict", json=predict_call("/gone.png", context=clicked(keypoint(1, 1))))
    text = html.unescape(re.sub("<[^>]*>", " ", client.get("/status").text))
    assert "task 1 of project 1" in text
    assert "click on task 1 of project 1" in text
    assert text.count("Label Studio has no such file (404)") == 2
    assert re.search(r"without a label in the project.* subject\s+1 ", text, re.DOTALL)
    assert "premask-subject-" in text
    assert "u2netp" in text


def test_errors_and_requests_are_bounded_and_repeated_ones_take_one_place() -> None:
    activity = Activity()
    for number in range(REMEMBERED + 10):
        activity.served("/predict", 200, 0.1)
        activity.trouble("loading", str(number))
        activity.trouble("loading", str(number))
    activity.trouble("long", "x" * 10_000)
    snapshot = activity.snapshot()
    assert len(snapshot.recent) == len(snapshot.troubles) == REMEMBERED
    assert len(snapshot.troubles[0].reason) == 500
    assert snapshot.troubles[1].reason == str(REMEMBERED + 9)
    assert snapshot.troubles[2].reason == str(REMEMBERED + 8)


def test_names_without_a_label_are_bounded() -> None:
    activity = Activity()
    for number in range(DROPPED_NAMES + 10):
        activity.predicted("batch", "ok", {f"thing {number}": 2})
    activity.predicted("batch", "ok", {"thing 3": 1})
    dropped = activity.snapshot().dropped
    assert len(dropped) == DROPPED_NAMES + 1
    assert (dropped["thing 3"], dropped[OTHERS]) == (3, 20)


def test_health_is_answered_while_the_page_is_made(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(backend: ServerState) -> str:
        begun.set()
        return "page" if may_end.wait(10) else "late"

    monkeypatch.setattr(ServerState, "status", slow)
    client = connect(recipe="click")
    with ThreadPoolExecutor(1) as person:
        page = person.submit(client.get, "/status")
        assert begun.wait(10)
        assert client.get("/health").json() == {"status": "UP"}
        may_end.set()
        assert page.result().text == "page"


def test_who_only_asks_how_we_are_is_counted_but_not_shown(connect: Connect) -> None:
    client = connect(recipe="click")
    client.get("/health")
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    metrics = client.get("/metrics").text
    assert 'premask_requests_total{path="/health",status="200"} 1' in metrics
    assert 'premask_requests_total{path="other",status="404"} 2' in metrics
    assert "/health" not in client.get("/status").text.partition("Last requests")[2]


def test_metrics_are_what_prometheus_reads() -> None:
    activity = Activity()
    for seconds in (0.01, 0.3, 0.3, 1000):
        activity.served("/predict", 200, seconds)
    activity.predicted("interactive", "failed")
    text = exposition(activity.snapshot(), activity.started, {"batch_waiting": 3}, {'a"\n': 2})
    line = re.compile(
        r'(# TYPE premask_\w+ \w+|premask_\w+(\{(\w+="([^"\\]|\\.)*",?)*\})? [-+.e\d]+)'
    )
    assert all(line.fullmatch(text_line) for text_line in text.splitlines())
    assert text.endswith("\n")
    assert "premask_batch_waiting 3\n" in text
    assert 'premask_predictions_total{mode="interactive",outcome="failed"} 1' in text
    assert 'premask_events_total{action="a\\"\\n"} 2' in text
    buckets = dict(re.findall(r'_bucket\{path="/predict",le="(.*?)"\} (\d+)', text))
    assert (buckets["0.05"], buckets["0.25"], buckets["0.5"]) == ("1", "1", "3")
    assert (buckets["90"], buckets["+Inf"]) == ("3", "4")
    assert 'premask_request_seconds_count{path="/predict"} 4' in text
    assert re.search(r"premask_resident_bytes [1-9]", text)


def test_a_project_is_news_once_and_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml_backend.server.connected_projects.PROJECTS", 2)
    projects = ConnectedProjects()
    assert projects.note("1", ConnectedProject(version="a"))
    assert not projects.note("1", ConnectedProject(version="a"))
    assert projects.note("1", ConnectedProject(version="b"))
    projects.note("2", ConnectedProject())
    projects.note("3", ConnectedProject())
    assert list(projects.all()) == ["2", "3"]


def test_setup_is_answered_while_a_model_loads(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def slow(pool: ModelPool, name: str) -> None:
        assert loaded.wait(20)

    monkeypatch.setattr(ModelPool, "load", slow)
    client = connect(recipe="subject")
    try:
        started = time.perf_counter()
        assert client.post("/setup", json=payload("setup")).status_code == 200
        assert client.get("/health").status_code == 200
        assert time.perf_counter() - started < 1
        assert "loading" in client.get("/status").text
    finally:
        loaded.set()


def test_a_model_that_can_not_be_loaded_is_shown_with_the_way_out(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pool: ModelPool, name: str) -> None:
        raise MissingWeights(f"Get them with: premask models download {name}")

    monkeypatch.setattr(ModelPool, "load", missing)
    client = connect(recipe="subject")
    client.post("/setup", json=payload("setup"))
    (item,) = results(client, predict_call("/a.png"))
    assert "premask models download u2netp" in item["error"]
    click = client.post("/predict", json=predict_call("/a.png", context=clicked(keypoint(1, 1))))
    assert click.status_code == 500
    assert "models download" in click.headers["x-premask-reason"]
    assert "failed: Get them with: premask models download grabcut" in client.get("/status").text


def test_loading_goes_on_behind_a_model_that_fails() -> None:
    pool, troubles = ModelPool(), []
    loading = ModelLoading(pool, ("nothing", "grabcut"), lambda *trouble: troubles.append(trouble))
    loading.start()
    for _ in range(200):
        if loading.states["grabcut"] == "ready":
            break
        time.sleep(0.05)
    assert loading.states["grabcut"] == "ready"
    assert loading.states["nothing"].startswith("failed: There is no model")
    assert troubles[0][0] == "loading nothing"
