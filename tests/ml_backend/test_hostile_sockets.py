"""A server in a process of its own under attack and load: it answers /health, and ends in time."""

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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml_backend.commands.serve import server_of
from ml_backend.server import connections
from ml_backend.server.http_server import HttpServer
from ml_backend.server.state import ServerState
from ml_backend.settings import read_settings
from tests.ml_backend.conftest import HeldPredictor
from tests.ml_backend.label_studio_calls import (
    Json,
    MemoryFetcher,
    clicked,
    keypoint,
    payload,
    predict_call,
    until,
)
from tests.ml_backend.test_live_server import free_port, wait_for_health

FILES = 400
"""How many files the server may open: less than it has connections in the test."""

SOON = 20
GRACE_SECONDS = 10
"""What Docker gives a process between SIGTERM and SIGKILL."""

AT_ONCE = 2.0
"""Label Studio waits one second for /health; the machine that tests run on may be busy."""


@dataclass
class Process:
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def ask(
        self, method: str, path: str, body: Json | bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            client.request(method, path, content, {"Content-Type": "application/json", **headers})
            response = client.getresponse()
            return response.status, response.read().decode()
        finally:
            client.close()

    def seconds_of(self, path: str) -> float:
        started = time.monotonic()
        assert self.ask("GET", path)[0] == 200
        return time.monotonic() - started

    def stop(self) -> float:
        """Ask it to end; returns how long that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(3 * GRACE_SECONDS)
        return time.monotonic() - started


Launch = Callable[..., Process]


def few_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start the server as people do; called again, it finds the events of the previous one."""
    started: list[Process] = []

    def start(*, few: bool = False, **variables: str) -> Process:
        port, log = free_port(), tmp_path / f"log-{len(started)}"
        command = [sys.executable, "-m", "ml_backend", "--port", str(port), "--recipe", "click"]
        environment = {**os.environ, "PYTHONPATH": "plugin", **variables}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--events-folder", str(tmp_path / "events")],
                env=environment,
                stdout=file,
                stderr=file,
                cwd=Path(__file__).parents[2],
                preexec_fn=few_files if few else None,
            )
        started.append(Process(port, log, process))
        assert wait_for_health(port)
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(SOON)


def test_half_open_connections_keep_nobody_out_and_fill_no_log(launch: Launch) -> None:
    server = launch(few=True)
    with ExitStack() as stack:
        for number in range(FILES + 100):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), SOON))
            half.sendall(b"POST /predict HTTP/1.1\r\n" if number % 2 else b"")
        assert server.seconds_of("/health") < AT_ONCE
    assert server.log.stat().st_size < 100_000
    assert "Traceback" not in server.log.read_text()


def test_health_is_answered_while_a_bomb_is_looked_at(launch: Launch) -> None:
    server = launch()
    call = json.dumps(predict_call("/a.png", context=clicked())).encode()
    bomb = call.replace(b'"tasks": [', b'"bomb": [' + b"{}," * 10_000_000 + b'{}], "tasks": [')
    with ThreadPoolExecutor(1) as attacker:
        answered = attacker.submit(server.ask, "POST", "/predict", bomb)
        longest = 0.0
        while not answered.done():
            longest = max(longest, server.seconds_of("/health"))
            time.sleep(0.05)
        status, text = answered.result()
    assert (status, "too many objects" in text) == (400, True)
    assert longest < AT_ONCE


def test_a_quadratic_text_stops_nobody(launch: Launch) -> None:
    server = launch()
    long = "http://" + "a:" * 15_000
    started = time.monotonic()
    event = payload("annotation_created")
    event["annotation"]["result"] = [
        {"id": "a", "type": "rectanglelabels", "value": {"rectanglelabels": [long]}}
    ]
    assert server.ask("POST", "/webhook", event)[0] == 200
    assert server.ask("POST", "/predict", predict_call(long, context=clicked(keypoint(1, 1))))[0]
    assert server.seconds_of("/status") < AT_ONCE
    assert time.monotonic() - started < 2 * AT_ONCE


def test_hostile_events_leave_status_and_the_end_quick_across_restarts(launch: Launch) -> None:
    server = launch()
    event = payload("annotation_created")
    for number in range(30):
        event["annotation"]["id"] = number
        event["annotation"]["result"] = [
            {"id": str(place), "type": "t", "value": {"t": [f"\ud800{number} {place}"]}}
            for place in range(6_000)
        ]
        assert server.ask("POST", "/webhook", event)[0] == 200
    call = {**payload("setup"), "project": "5\ud800.1"}
    assert server.ask("POST", "/setup", call)[0] == 200
    for again in range(2):
        assert server.seconds_of("/status") < AT_ONCE
        assert server.stop() < GRACE_SECONDS
        if not again:
            server = launch()


def test_an_old_journal_with_bad_lines_is_survived(launch: Launch, tmp_path: Path) -> None:
    rows = [["subject", f"label {number}", "added", 1] for number in range(60_000)]
    when = {"action": "ANNOTATION_CREATED", "at": 1764000000.0}
    good = {**when, "annotation": 1, "judged": [["subject", "Cat", "accepted", 1]]}
    bad: list[Any] = [
        {**good, "annotation": 2, "judged": rows},
        {**good, "annotation": 3, "judged": [["subject", "\ud800", "accepted", "1" * 9]]},
        {**good, "annotation": 4, "judged": [1]},
        {**good, "annotation": 5, "judged": [["subject", "a", "accepted", []]]},
        {**good, "annotation": 6, "at": 1e300},
        {"action": "ANNOTATION_CREATED", "annotation": 7, "verdict": {"Cat": {"accepted": 1}}},
    ]
    (tmp_path / "events").mkdir()
    journal = tmp_path / "events" / "events.jsonl"
    journal.write_text("".join(json.dumps(line) + "\n" for line in (*bad, good)))
    server = launch()
    until(lambda: "subject,Cat,1,0,0,0" in server.ask("GET", "/status/corrections.csv")[1])
    assert server.seconds_of("/status") < AT_ONCE
    assert server.stop() < GRACE_SECONDS


SECRET = "secret-of-nobody-0123"


def test_events_need_the_secret_and_no_log_has_it(launch: Launch) -> None:
    server = launch(PREMASK_WEBHOOK_SECRET=SECRET)
    event = payload("annotation_created")
    assert server.ask("POST", "/webhook", event)[0] == 401
    assert server.ask("POST", "/webhook", event, **{"X-Premask-Secret": "wrong"})[0] == 401
    assert server.ask("POST", "/webhook", event, **{"X-Premask-Secret": SECRET})[0] == 200
    # Who connects the backend at /SECRET has Label Studio's own webhook send it there.
    for path in (f"/{SECRET}/webhook", f"/webhook/{SECRET}"):
        assert server.ask("POST", path, event)[0] == 200
    assert server.ask("POST", f"/{SECRET}/setup", payload("setup"))[0] == 200
    assert server.ask("GET", f"/{SECRET}/health")[0] == 200
    page = server.ask("GET", "/status")[1]
    assert "An event came without the secret" in page
    server.stop()
    assert SECRET not in page + server.log.read_text()


@dataclass
class Running:
    port: int
    server: HttpServer
    thread: threading.Thread


@pytest.fixture
def running(tmp_path: Path, held: HeldPredictor) -> Iterator[Running]:
    """A server in this process, whose models wait until they are let go."""
    flags = {"port": free_port(), "recipe": "subject", "events_folder": str(tmp_path)}
    settings = read_settings(environment={}, flags={**flags, "embedding_megabytes": 0})
    backend = ServerState(settings, MemoryFetcher({}))
    server = server_of(backend)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield Running(settings.port, server, thread)
    server.should_exit = True
    held.let_go.set()
    thread.join(SOON)
    assert not thread.is_alive()


def test_who_waits_when_the_server_stops_is_told_to_come_again(
    running: Running, held: HeldPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [predict_call("/a"), predict_call("/b", "/c"), predict_call("/d", context=clicked())]
    clients = [http.client.HTTPConnection("127.0.0.1", running.port, timeout=SOON) for _ in calls]
    for client, call in zip(clients, calls, strict=True):
        client.request("POST", "/predict", json.dumps(call))
    until(lambda: len(held.begun) >= 3)
    started = time.monotonic()
    running.server.should_exit = True
    for client in clients:
        response = client.getresponse()
        assert (response.status, response.headers["retry-after"]) == (503, "5")
        assert "being stopped" in json.loads(response.read())["error"]
        client.close()
    assert time.monotonic() - started < AT_ONCE
    # The models are still at work, and are not waited for beyond the grace period.
    running.thread.join(GRACE_SECONDS)
    assert not running.thread.is_alive()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /health HT",
        b"POST /setup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_who_says_nothing_more_is_hung_up_on(
    running: Running, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connections, "SILENT_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", running.port), SOON) as slow:
        slow.sendall(begun)
        try:
            assert slow.recv(100) == b""
        except ConnectionResetError:
            return


def test_a_head_that_comes_letter_by_letter_has_an_end(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", running.port), SOON) as slow:
        sent = 0
        with suppress(OSError):
            for letter in b"GET / HTTP/1.1\r\nX: " + b"x" * 200:
                slow.sendall(bytes([letter]))
                sent += 1
                time.sleep(0.05)
        assert sent < 100
