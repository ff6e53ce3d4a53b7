"""The server on a real port: what can be tested only with a real connection."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.commands.serve import server_of
from ml_backend.server.reason_phrase import LONGEST, reason_phrase, with_reason
from ml_backend.server.state import ServerState
from ml_backend.settings import read_settings
from tests.ml_backend.conftest import HeldPredictor
from tests.ml_backend.label_studio_calls import MemoryFetcher, payload, predict_call, until

SOON = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[ServerState]:
    """A running server; its port is in its settings."""
    flags = {
        "port": free_port(),
        "recipe": "subject",
        "batch_workers": 1,
        "events_folder": str(tmp_path),
        "embedding_megabytes": 0,
    }
    backend = ServerState(read_settings(environment={}, flags=flags), MemoryFetcher({}))
    server = server_of(backend)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield backend
    server.should_exit = True
    thread.join(SOON)
    assert not thread.is_alive()


def connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)


def test_the_first_line_of_an_answer_says_what_is_wrong(backend: ServerState) -> None:
    client = connection(backend.settings.port)
    schema = '<View><Text name="t" value="$t"/></View>'
    for _ in range(2):
        client.request("POST", "/setup", json.dumps({**payload("setup"), "schema": schema}))
        response = client.getresponse()
        body = json.loads(response.read())
        assert (response.status, response.reason) == (422, body["error"])
    client.request("GET", "/health")
    response = client.getresponse()
    assert (response.status, response.reason, response.read()) == (200, "OK", b'{"status":"UP"}')
    client.close()


def test_a_client_that_has_gone_cancels_what_waits(
    backend: ServerState, held: HeldPredictor
) -> None:
    client = connection(backend.settings.port)
    client.request("POST", "/predict", json.dumps(predict_call("/a", "/b", "/c")))
    until(lambda: held.begun == [1] and backend.answers.batch_lane.waiting == 2)
    assert client.sock is not None
    client.sock.close()
    client.close()
    until(lambda: backend.activity.snapshot().requests.get(("/predict", 499)))
    held.let_go.set()
    until(lambda: not backend.answers.batch_lane.waiting + backend.answers.batch_lane.running)
    assert held.begun == [1]


def test_two_calls_for_the_same_tasks_share_the_work(
    backend: ServerState, held: HeldPredictor
) -> None:
    clients = [connection(backend.settings.port) for _ in range(2)]
    for client in clients:
        client.request("POST", "/predict", json.dumps(predict_call("/a", "/b")))
    until(lambda: held.begun)
    held.let_go.set()
    for client in clients:
        assert len(json.loads(client.getresponse().read())["results"]) == 2
        client.close()
    assert sorted(task or 0 for task in held.begun) == [1, 2]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("why\nit\r\nfailed: Set-Cookie", "why it failed: Set-Cookie"),
        ("Käse\x00", "K?se"),
        ("x" * 1000, "x" * LONGEST),
    ],
)
def test_a_reason_is_one_line_of_ascii(text: str, phrase: str) -> None:
    assert reason_phrase(text) == phrase


def test_only_the_first_line_of_a_head_is_changed() -> None:
    rest = b"\r\nx-premask-reason: a \\1 b\r\nvia: HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nx"
    head = b"HTTP/1.1 422 Unprocessable Entity" + rest
    assert with_reason(head) == b"HTTP/1.1 422 a \\1 b" + rest
    for other in (b"HTTP/1.1 200 OK\r\na: b\r\n\r\n", b"x-premask-reason: a", b"", b"{}"):
        assert with_reason(other) == other


def test_it_starts_says_its_settings_without_secrets_and_stops_when_asked(tmp_path: Path) -> None:
    port, secret = free_port(), "key-of-nobody-0123"
    environment = {**os.environ, "LABEL_STUDIO_API_KEY": secret, "PYTHONPATH": "plugin"}
    command = [sys.executable, "-m", "ml_backend", "--port", str(port), "--recipe", "click"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*command, "--events-folder", str(tmp_path)],
            env=environment,
            stdout=file,
            stderr=file,
            cwd=Path(__file__).parents[2],
        )
    try:
        assert wait_for_health(port)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(SOON)
    text = log.read_text()
    assert code in (0, -signal.SIGTERM)
    assert "label_studio_api_key" in text
    assert secret not in text
    assert "shutdown complete" in text
    assert "Traceback" not in text


def wait_for_health(port: int) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        client = connection(port)
        try:
            client.request("GET", "/health")
            return client.getresponse().status == 200
        except OSError:
            time.sleep(0.2)
        finally:
            client.close()
    return False
