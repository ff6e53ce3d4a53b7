"""Events are recorded without secrets, and counted as accepted, corrected, deleted or added."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ml_backend.server.events
from ml_backend.server.corrections import Corrections, Proposal, labels_by_id, verdict
from ml_backend.server.events import EventLog
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    Json,
    clicked,
    keypoint,
    payload,
    predict_call,
    results,
)

Troubles = list[tuple[str, str]]


def region(name: str, label: str = "Cat", origin: str = "prediction") -> Json:
    value = {"rectanglelabels": [label], "x": 1, "y": 1, "width": 2, "height": 2}
    return {"id": name, "type": "rectanglelabels", "value": value, "origin": origin}


def proposed(clicked: bool = False, **labels: str) -> dict[str, Proposal]:
    return {name: Proposal(label=label, clicked=clicked) for name, label in labels.items()}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([region("a")], {"Cat": {"accepted": 1}}),
        ([region("a", origin="prediction-changed")], {"Cat": {"corrected": 1}}),
        ([region("a", "Dog")], {"Cat": {"corrected": 1}}),
        ([region("a", origin="manual")], {"Cat": {"accepted": 1}}),
        ([], {"Cat": {"deleted": 1}}),
        (
            [region("a"), region("z", "Dog", "manual")],
            {"Cat": {"accepted": 1}, "Dog": {"added": 1}},
        ),
        (
            [region("a"), region("z", "Dog")],
            {"Cat": {"accepted": 1}, "Dog": {"accepted": 1}},
        ),
    ],
)
def test_a_verdict_on_each_proposal(kept: list[Json], expected: Json) -> None:
    annotation = {"result": kept, "parent_prediction": 1}
    assert verdict(annotation, proposed(a="Cat")) == expected


def test_a_plain_shape_and_its_label_are_one_proposal() -> None:
    shape = {"id": "a", "type": "brush", "value": {"rle": []}, "origin": "prediction"}
    said = {"rle": [], "taxonomy": [["Animals", "Cat"]]}
    both = [shape, {**shape, "type": "taxonomy", "value": said}]
    labels = labels_by_id(both)
    assert labels == {"a": "Animals / Cat"}
    annotation = {"result": both, "parent_prediction": 1}
    assert verdict(annotation, proposed(a=labels["a"])) == {"Animals / Cat": {"accepted": 1}}


def test_what_was_proposed_is_deleted_only_by_who_saw_it() -> None:
    assert verdict({"result": [], "parent_prediction": None}, proposed(a="Cat")) == {}
    ignored_click = proposed(clicked=True, a="Cat")
    assert verdict({"result": [], "parent_prediction": 1}, ignored_click) == {}


@pytest.mark.parametrize(
    "result", [None, "x", [None, {}, {"id": "a"}, {"id": "b", "type": "t", "value": 3}]]
)
def test_regions_without_a_label_are_passed_over(result: Any) -> None:
    assert verdict({"result": result}, {}) == {}


def test_a_new_prediction_takes_the_place_of_the_old_one_but_clicks_stay() -> None:
    corrections = Corrections()
    corrections.propose("1/1", {"a": "Cat"}, clicked=False)
    corrections.propose("1/1", {"c": "Dog"}, clicked=True)
    corrections.propose("1/1", {"b": "Cow"}, clicked=False)
    judged = corrections.judge(
        "1/1", {"result": [region("c", "Dog", "manual")], "parent_prediction": 1}
    )
    assert judged == {"Dog": {"accepted": 1}, "Cow": {"deleted": 1}}


def test_the_newest_verdict_on_an_annotation_counts() -> None:
    corrections = Corrections()
    corrections.keep("1", {"Cat": {"accepted": 2}})
    corrections.keep("2", {"Cat": {"added": 1}})
    corrections.keep("1", {"Cat": {"corrected": 1}})
    assert corrections.summary() == {"Cat": {"corrected": 1, "added": 1}}
    corrections.forget("1")
    assert corrections.summary() == {"Cat": {"added": 1}}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.server.corrections.TASKS", 2)
    monkeypatch.setattr("ml_backend.server.corrections.ANNOTATIONS", 2)
    monkeypatch.setattr("ml_backend.server.corrections.REGIONS_OF_A_TASK", 2)
    corrections = Corrections()
    for number in range(4):
        corrections.propose(
            str(number), {f"{number}{letter}": "Cat" for letter in "abc"}, clicked=False
        )
        corrections.keep(str(number), {"Cat": {"added": 1}})
    assert corrections.summary() == {"Cat": {"added": 2}}
    gone = {"result": [], "parent_prediction": 1}
    assert corrections.judge("0", gone) == {}
    assert corrections.judge("3", gone) == {"Cat": {"deleted": 2}}


def test_the_table_runs_nothing_in_a_spreadsheet() -> None:
    corrections = Corrections()
    corrections.keep("1", {'=cmd|"/c calc"': {"accepted": 1}, "Cat": {"deleted": 2}})
    header, *rows = csv.reader(io.StringIO(corrections.csv()))
    assert header == ["label", "accepted", "corrected", "deleted", "added"]
    assert rows == [['\'=cmd|"/c calc"', "1", "0", "0", "0"], ["Cat", "0", "0", "2", "0"]]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[[], tuple[EventLog, Troubles]]]:
    """Start a log on the same journal; called again, it closes the previous one first."""
    logs: list[EventLog] = []

    def start() -> tuple[EventLog, Troubles]:
        troubles: Troubles = []
        for log in logs:
            log.close()
        log = EventLog(
            tmp_path / "deep" / "events.jsonl", lambda *trouble: troubles.append(trouble)
        )
        log.start()
        logs[:] = [log]
        return log, troubles

    yield start
    for log in logs:
        log.close()


def journal(folder: Path) -> list[Json]:
    return [
        json.loads(line) for line in (folder / "deep" / "events.jsonl").read_text().splitlines()
    ]


OpenLog = Callable[[], tuple[EventLog, Troubles]]


def send(log: EventLog, name: str, **fields: object) -> None:
    log.webhook(json.dumps({**payload(name), **fields}).encode())


def test_recorded_events_are_kept_without_data_and_without_secrets(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log, troubles = open_log()
    names = ("annotation_created", "annotation_updated", "annotations_deleted", "start_training")
    for name in (*names, "project_updated", "tasks_deleted"):
        send(log, name)
    open_log()
    lines = journal(tmp_path)
    assert [line["action"] for line in lines] == [
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_DELETED",
        "START_TRAINING",
        "PROJECT_UPDATED",
        "TASKS_DELETED",
    ]
    assert [line.get("verdict") for line in lines[:2]] == [
        {"Cat": {"accepted": 1}},
        {"Cat": {"corrected": 1}},
    ]
    text = json.dumps(lines)
    assert payload("annotation_created")["project"]["token"] not in text
    assert "/data/upload" not in text
    assert troubles == []


def test_proposals_and_verdicts_survive_a_restart(open_log: OpenLog) -> None:
    log, _ = open_log()
    log.proposed("1", 1, {"result": [region("r1"), region("r2", "Dog")]}, clicked=False)
    send(log, "annotation_created")
    log, _ = open_log()
    send(
        log,
        "annotation_created",
        annotation={**payload("annotation_created")["annotation"], "id": 2},
    )
    log.close()
    assert log.corrections.summary() == {"Cat": {"accepted": 2}, "Dog": {"deleted": 2}}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"action": 3}',
        b'{"action": "ANNOTATION_CREATED", "annotation": {"id": []}}',
    ],
)
def test_a_broken_event_is_reported_and_the_next_one_is_recorded(
    open_log: OpenLog, tmp_path: Path, body: bytes
) -> None:
    log, troubles = open_log()
    log.webhook(body)
    send(log, "start_training")
    open_log()
    assert journal(tmp_path)[-1]["action"] == "START_TRAINING"
    assert troubles or len(journal(tmp_path)) == 2


def test_unknown_events_are_recorded_and_counted_together(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log, _ = open_log()
    for number in range(3):
        log.webhook(json.dumps({"action": f"NEW_{number}", "labels": {"a": "b"}}).encode())
    open_log()
    assert log.counts == {"other": 3}
    assert [line["action"] for line in journal(tmp_path)] == ["NEW_0", "NEW_1", "NEW_2"]
    assert "labels" not in journal(tmp_path)[0]


def test_nobody_can_propose_from_outside(open_log: OpenLog) -> None:
    log, _ = open_log()
    forged = {"action": "PROPOSED", "project": {"id": 1}, "task": 1, "labels": {"x": "Cat"}}
    log.webhook(json.dumps(forged).encode())
    open_log()
    assert log.corrections.judge("1/1", {"result": [], "parent_prediction": 1}) == {}


def test_a_damaged_journal_costs_its_damaged_lines_only(open_log: OpenLog, tmp_path: Path) -> None:
    log, _ = open_log()
    send(log, "annotation_created")
    open_log()[0].close()
    with (tmp_path / "deep" / "events.jsonl").open("a") as file:
        file.write('{"action": "PROPOSED"}\n{"at": 1}\n[]\n{"action": "ANNOT')
    log, _ = open_log()
    send(log, "start_training")
    log.close()
    assert log.corrections.summary() == {"Cat": {"accepted": 1}}
    last = (tmp_path / "deep" / "events.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["action"] == "START_TRAINING"


def test_a_long_journal_becomes_the_previous_one(
    open_log: OpenLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ml_backend.server.events, "JOURNAL_BYTES", 300)
    log, _ = open_log()
    for _ in range(40):
        send(log, "start_training")
    open_log()
    files = {path.name: path.stat().st_size for path in (tmp_path / "deep").iterdir()}
    assert set(files) == {"events.jsonl", "events.previous.jsonl"}
    assert max(files.values()) < 500


def test_a_full_disk_is_reported_and_stops_nothing(open_log: OpenLog, tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("a file where the folder should be")
    log, troubles = open_log()
    send(log, "annotation_created")
    log, _ = open_log()
    assert troubles[0][0] == "recording an event"


def test_events_do_not_fill_the_memory(open_log: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ml_backend.server.events, "WAITING_BYTES", 10)
    log, _ = open_log()
    send(log, "start_training")
    assert log.counts["dropped"] == 1


def test_webhooks_are_answered_at_once(connect: Connect) -> None:
    client = connect(recipe="click")
    brush = {
        "id": "b",
        "type": "brushlabels",
        "value": {"rle": [1] * 1_000_000, "brushlabels": ["Cat"]},
    }
    event = payload("annotation_created")
    event["annotation"]["result"] = [brush] * 3
    body = json.dumps(event).encode()
    started = time.perf_counter()
    is_json = {"content-type": "application/json"}
    assert client.post("/webhook", content=body, headers=is_json).json() == {}
    assert time.perf_counter() - started < 0.5
    assert client.post("/webhook", content=b"no event", headers=is_json).status_code == 400


def test_what_was_proposed_for_a_click_is_accepted(connect: Connect) -> None:
    client = connect(recipe="click")
    (item,) = results(client, predict_call("/a.png", context=clicked(keypoint(30, 20))))
    event = payload("annotation_created")
    event["annotation"]["result"] = [{**region, "origin": "manual"} for region in item["result"]]
    client.post("/webhook", json=event)
    for _ in range(100):
        if (text := client.get("/status/corrections.csv").text).count("\n") > 1:
            break
        time.sleep(0.05)
    assert text.splitlines() == ["label,accepted,corrected,deleted,added", "Cat,1,0,0,0"]
    assert "What people made of it" in client.get("/status").text
