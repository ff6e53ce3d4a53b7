"""Label Studio's *Start Training* reaches the command, and /status tells how it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.commands.correction_set import set_maker
from ml_backend.server.state import ServerState
from ml_backend.settings import BackendSettings
from premask.errors import UnknownFormat
from tests.ml_backend.conftest import Connect
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.label_studio_calls import CONFIG, payload
from tests.ml_backend.local_server import LocalServer
from tests.ml_backend.test_correction_sets import add_corrected
from tests.ml_backend.test_training import ended, python, until

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SLOW = python("import time; print('epoch', 1, flush=True); time.sleep(60)")
OLD_CALL = {
    "annotations": [{"id": 1, "data": {"image": "/a.png"}, "annotations": []}],
    "project": "12.1795226314",
    "label_config": CONFIG,
    "params": {"login": None, "password": None},
}


def trainer_of(client: TestClient) -> Any:
    return client.app.state.backend.trainer  # type: ignore[attr-defined]


def test_the_button_starts_the_command_and_the_page_shows_it_and_cancels_it(
    connect: Connect,
) -> None:
    client = connect(recipe="click", train_command=SLOW)
    event = payload("start_training")
    answer = client.post("/webhook", json=event)
    assert (answer.status_code, "run 1 has begun" in answer.text) == (200, True)
    assert until(lambda: "epoch 1" in client.get("/status").text)
    assert "<button" in client.get("/status").text
    again = client.post("/webhook", json=event)
    assert again.status_code == 409
    assert "Run 1, of project 1, is under way" in again.json()["error"]
    assert "epoch 1" in client.get("/status/training.log").text
    page = client.post("/status/training/cancel")
    assert str(page.url).endswith("/status")
    assert ended(trainer_of(client)) == "cancelled"
    page = client.get("/status")
    assert ">cancelled<" in page.text
    assert "<button" not in page.text
    told = client.post("/setup", json={"project": "1.1", "schema": CONFIG}).text
    assert "Start Training runs the command" in told


def test_what_label_studio_called_before_it_had_events_is_answered_too(connect: Connect) -> None:
    client = connect(recipe="click", train_command=python("print('{project}')"))
    assert client.post("/train", json=OLD_CALL).status_code == 200
    assert ended(trainer_of(client)) == "finished"
    assert client.get("/status/training.log").text == "12\n"


def test_without_a_command_the_button_says_what_is_missing(connect: Connect) -> None:
    client = connect(recipe="click")
    answer = client.post("/webhook", json=payload("start_training"))
    assert answer.status_code == 409
    assert "--train-command" in answer.json()["error"]
    assert client.post("/webhook", json=payload("annotation_created")).status_code == 200
    told = client.post("/setup", json={"project": "1.1", "schema": CONFIG}).text
    assert "Start Training does nothing here" in told


def test_nobody_trains_who_does_not_know_the_secret(connect: Connect) -> None:
    secret = "secret-of-nobody-0123"
    client = connect(recipe="click", train_command=SLOW, webhook_secret=secret)
    for path in ("/webhook", "/train"):
        assert client.post(path, json=payload("start_training")).status_code == 401
    other_page = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/status/training/cancel", "/train"):
        assert client.post(path, json={}, headers=other_page).status_code == 403
    assert trainer_of(client).records() == []
    assert client.post(f"/{secret}/train", json=OLD_CALL).status_code == 200


def test_a_set_of_the_projects_corrections_is_made_first(
    fake: FakeLabelStudio, server: LocalServer, tmp_path: Path
) -> None:
    task = add_corrected(fake, "a.png")
    code = (
        "import sys, pathlib; print(*sorted(p.name for p in pathlib.Path(sys.argv[1]).iterdir()))"
    )
    settings = settings_for(
        server.url,
        train_command=python(code, "{set}"),
        train_format="yolo",
        events_folder=str(tmp_path),
    )
    backend = ServerState(settings, make_set=set_maker(settings))
    record = backend.trainer.begin("1")
    assert ended(backend.trainer) == "finished"
    printed = record.log.read_text()
    assert "1 images, 1 of them new" in printed
    assert "data.yaml manifest.json provenance.jsonl train val" in printed
    del fake.tasks[task]
    backend.trainer.begin("1")
    assert ended(backend.trainer) == "failed"
    assert "Nobody has submitted an annotation" in backend.trainer.records()[0].why


def test_a_format_that_there_is_not_is_refused_at_the_start() -> None:
    with pytest.raises(UnknownFormat):
        ServerState(BackendSettings(train_command="train {set}", train_format="yolov99"))
