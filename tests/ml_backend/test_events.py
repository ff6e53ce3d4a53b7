"""Events are recorded without secrets, and what they say is counted once, restarts or not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ml_backend.server.events
from ml_backend.server.corrections import Corrections
from ml_backend.server.events import EventLog
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    Json,
    clicked,
    keypoint,
    payload,
    predict_call,
    region,
    results,
)

Troubles = list[tuple[str, str]]


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
    assert [line.get("judged") for line in lines[:2]] == [
        [["", "Cat", "accepted", 1]],
        [["", "Cat", "corrected", 1]],
    ]
    text = json.dumps(lines)
    assert payload("annotation_created")["project"]["token"] not in text
    assert "/data/upload" not in text
    assert troubles == []


def counted(corrections: Corrections) -> dict[str, Json]:
    """The counts by recipe and label."""
    return {
        f"{place.recipe} {place.label}": dict(counts)
        for place, counts in corrections.counts().items()
    }


def annotation(number: int, *regions: Json, **fields: Any) -> Json:
    event = payload("annotation_created")
    found = {"id": number, "result": list(regions), "parent_prediction": 1} | fields
    return {"annotation": event["annotation"] | found}


def prediction(*regions: Json, version: str = "premask-dino-sam2-0123456789ab") -> Json:
    return {"id": 1, "result": list(regions), "model_version": version}


def test_proposals_and_verdicts_survive_a_restart(open_log: OpenLog) -> None:
    log, _ = open_log()
    log.proposed("1", 1, prediction(region("r1"), region("r2", "Dog")), clicked=False)
    send(log, "annotation_created", **annotation(1, region("r1")))
    log, _ = open_log()
    send(log, "annotation_created", **annotation(2, region("r1")))
    log.close()
    assert counted(log.corrections) == {
        "dino-sam2 Cat": {"accepted": 2},
        "dino-sam2 Dog": {"deleted": 2},
    }
    (day,) = {place.day for place in log.corrections.counts()}
    assert day == time.strftime("%Y-%m-%d")


def test_an_event_that_comes_twice_or_to_two_servers_is_counted_once(
    open_log: OpenLog, tmp_path: Path
) -> None:
    """Label Studio leaves the webhook of a backend that is disconnected, and connects another."""
    log, _ = open_log()
    beside = EventLog(tmp_path / "deep" / "events.jsonl", lambda *trouble: None)
    beside.start()
    for server in (log, beside, log):
        send(server, "annotation_created", **annotation(1, region("a", origin="manual")))
    beside.close()
    log, _ = open_log()
    log.close()
    assert len(journal(tmp_path)) == 3
    assert counted(log.corrections) == {"(by hand) Cat": {"added": 1}}


def test_an_update_replaces_a_verdict_and_a_deletion_takes_it_back(open_log: OpenLog) -> None:
    log, _ = open_log()
    log.proposed("1", 1, prediction(region("a")), clicked=False)
    send(log, "annotation_created", **annotation(1, region("a")))
    send(log, "annotation_updated", **annotation(1, region("a", "Dog")))
    send(log, "annotation_created", **annotation(2, region("a")))
    send(log, "annotations_deleted", annotations=[{"id": 2}])
    for again in range(2):
        log.close()
        assert counted(log.corrections) == {"dino-sam2 Cat": {"corrected": 1}}, again
        log, _ = open_log()


def test_an_update_after_another_run_deletes_nothing_of_that(open_log: OpenLog) -> None:
    log, _ = open_log()
    log.proposed("1", 1, prediction(region("a")), clicked=False)
    send(log, "annotation_created", **annotation(1, region("a")))
    log.proposed("1", 1, prediction(region("b"), region("c")), clicked=False)
    send(log, "annotation_updated", **annotation(1, region("a")))
    log.close()
    assert counted(log.corrections) == {"dino-sam2 Cat": {"accepted": 1}}


def test_what_push_has_proposed_is_known_from_label_studio(tmp_path: Path) -> None:
    """By the prediction in the event, or else by its number; the server has not made it itself."""
    asked: list[int] = []

    def prediction_of(number: int) -> Json:
        asked.append(number)
        return prediction(region("a"), region("b", "Dog")) | {"id": number}

    log = EventLog(tmp_path / "events.jsonl", lambda *trouble: None, prediction_of)
    log.start()
    sent = prediction(region("a"), region("c", "Cow"), version="premask-faces-0123456789ab")
    send(log, "annotation_created", **annotation(1, region("a"), prediction=sent))
    send(log, "annotation_created", **annotation(2, region("a"), parent_prediction=7))
    log.close()
    assert asked == [7]
    assert counted(log.corrections) == {
        "faces Cat": {"accepted": 1},
        "faces Cow": {"deleted": 1},
        "dino-sam2 Cat": {"accepted": 1},
        "dino-sam2 Dog": {"deleted": 1},
    }


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
    assert log.proposals.of("1/1") == {}


def test_a_damaged_journal_costs_its_damaged_lines_only(open_log: OpenLog, tmp_path: Path) -> None:
    log, _ = open_log()
    send(log, "annotation_created")
    open_log()[0].close()
    with (tmp_path / "deep" / "events.jsonl").open("a") as file:
        file.write(
            '{"action": "PROPOSED"}\n{"at": 1}\n[]\n{"action": "X", "at": 1e99, "judged": []}\n'
        )
        file.write('{"action": "ANNOT')
    log, _ = open_log()
    send(log, "start_training")
    log.close()
    assert counted(log.corrections) == {"(by hand) Cat": {"accepted": 1}}
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
    today = time.strftime("%Y-%m-%d")
    header = "day,recipe,label,accepted,corrected,deleted,added"
    assert text.splitlines() == [header, f"{today},click,Cat,1,0,0,0"]
    (row,) = client.get("/status/corrections.json").json()
    assert row == dict(zip(header.split(","), [today, "click", "Cat", 1, 0, 0, 0], strict=True))
    assert "What people made of it" in client.get("/status").text
