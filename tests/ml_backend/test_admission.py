"""Who may call: by which name of the server, from which page, with which secret, and how often."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_backend.commands.serve import server_of
from ml_backend.server.admission import is_own_name
from ml_backend.server.guards import RateLimit
from ml_backend.server.state import ServerState
from ml_backend.settings import read_settings
from premask.errors import InvalidSetting
from premask.models.pool import ModelPool
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import MemoryFetcher, payload, until
from tests.ml_backend.test_live_server import free_port

SOON = 20


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "localhost:9090",
            "127.0.0.1:9090",
            "[::1]:9090",
            "10.0.0.7",
            "backend:9090",
        ),
        *("host.docker.internal:9090", "premask.default.svc.cluster.local", "Premask.Example.com"),
    ],
)
def test_names_that_no_stranger_can_register_are_this_server(host: str) -> None:
    assert is_own_name(host, ("premask.example.com",))


@pytest.mark.parametrize(
    "host",
    ["", "evil.com", "evil.com:9090", "localhost.evil.com", "127.0.0.1.evil.com", "["],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_own_name(host, ("premask.example.org",))


def test_a_page_under_another_name_reads_nothing(connect: Connect) -> None:
    client = connect(recipe="click")
    for path in ("/status", "/health", "/metrics"):
        refused = client.get(path, headers={"host": "rebound.evil.com"})
        assert refused.status_code == 421
        assert "server_names" in refused.json()["error"]
    named = connect(recipe="click", server_names=["premask.evil.com"])
    assert named.get("/status", headers={"host": "premask.evil.com:443"}).status_code == 200
    # Browsers send no password to another name.
    guarded = connect(recipe="click", basic_auth_user="me", basic_auth_pass="pass")
    host = {"host": "labels.company.com"}
    assert guarded.get("/status", headers=host, auth=("me", "pass")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.com"},
        {"origin": "null"},
        {"origin": "http://testserver:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_page_forges_nothing(connect: Connect, headers: dict[str, str]) -> None:
    client = connect(recipe="click")
    for path in ("/webhook", "/setup", "/predict"):
        assert client.post(path, json={}, headers=headers).status_code == 403
    assert client.get("/status", headers={"origin": "http://testserver"}).status_code == 200
    assert client.get("/status", headers={"sec-fetch-site": "none"}).status_code == 200


@pytest.mark.parametrize("sent_as", ["text/plain", "application/x-www-form-urlencoded", None])
def test_an_event_must_be_json(connect: Connect, sent_as: str | None) -> None:
    client = connect(recipe="click")
    body = json.dumps(payload("annotation_created"))
    headers = {"content-type": sent_as} if sent_as else {}
    assert client.post("/webhook", content=body, headers=headers).status_code == 415
    headers = {"content-type": "application/json; charset=utf-8"}
    assert client.post("/webhook", content=body, headers=headers).status_code == 200


def test_a_password_closes_events_unless_there_is_a_secret(connect: Connect) -> None:
    event = payload("annotation_created")
    known = {"basic_auth_user": "me", "basic_auth_pass": "pass", "recipe": "click"}
    client = connect(**known)
    assert client.post("/webhook", json=event).status_code == 401
    assert client.post("/webhook", json=event, auth=("me", "pass")).status_code == 200
    secret = "secret-of-nobody-0123"
    client = connect(**known, webhook_secret=secret)
    assert client.post("/webhook", json=event).status_code == 401
    assert client.post("/webhook", json=event, auth=("me", "pass")).status_code == 200
    assert client.post(f"/{secret}/webhook", json=event).status_code == 200
    # It is for events, and no password.
    assert client.get(f"/{secret}/status").status_code == 401


@pytest.mark.parametrize("secret", ["short", "with/slash-0123456789", "ümlaut-0123456789ab"])
def test_a_secret_must_fit_into_an_address(secret: str) -> None:
    with pytest.raises(InvalidSetting, match="token_urlsafe") as raised:
        read_settings(environment={"PREMASK_WEBHOOK_SECRET": secret})
    assert secret not in str(raised.value)


def test_readiness_is_apart_from_liveness(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def slow(pool: ModelPool, name: str) -> None:
        assert loaded.wait(SOON)

    monkeypatch.setattr(ModelPool, "load", slow)
    client = connect(recipe="subject", basic_auth_user="me", basic_auth_pass="pass")
    try:
        assert client.get("/").status_code == 200
        waiting = client.get("/ready")
        assert (waiting.status_code, waiting.json()) == (503, {"status": "LOADING"})
        loaded.set()
        until(lambda: client.get("/ready").status_code == 200)
    finally:
        loaded.set()


def test_a_model_that_is_missing_is_not_ready(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(pool: ModelPool, name: str) -> None:
        raise OSError("no weights")

    monkeypatch.setattr(ModelPool, "load", missing)
    client = connect(recipe="subject")
    until(lambda: client.get("/ready").json() == {"status": "FAILED"})
    assert client.get("/health").status_code == 200


def test_who_owns_a_network_of_ipv6_is_one_client() -> None:
    limit = RateLimit(1, lambda: 0.0)
    assert limit.wait_seconds("2001:db8::1") == 0
    assert limit.wait_seconds("2001:db8::ffff:2") > 0
    assert limit.wait_seconds("2001:db8:0:1::1") == 0
    assert limit.wait_seconds("10.0.0.1") == limit.wait_seconds("10.0.0.2") == 0


@contextmanager
def listening(folder: Path, **flags: object) -> Iterator[int]:
    settings = read_settings(
        environment={},
        flags={
            "port": free_port(),
            "recipe": "click",
            "events_folder": str(folder),
            "embedding_megabytes": 0,
            "requests_per_minute": 3,
            **flags,
        },
    )
    server = server_of(ServerState(settings, MemoryFetcher({})))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    try:
        yield settings.port
    finally:
        server.should_exit = True
        thread.join(SOON)


def statuses(port: int, callers: Callable[[int], str]) -> list[int]:
    """The answers to six requests, each said to come from a caller."""
    found = []
    for number in range(6):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
        client.request("GET", "/versions", headers={"X-Forwarded-For": callers(number)})
        found.append(client.getresponse().status)
        client.close()
    return found


def test_only_a_trusted_proxy_says_who_calls(tmp_path: Path) -> None:
    with listening(tmp_path) as port:
        assert statuses(port, lambda number: f"10.0.0.{number}") == [200] * 3 + [429] * 3
    with listening(tmp_path, trusted_proxies=("127.0.0.1",)) as port:
        assert statuses(port, lambda number: f"10.0.0.{number}") == [200] * 6
        # What the caller itself says stands before what the proxy adds.
        assert statuses(port, lambda number: f"10.9.0.{number}, 10.1.1.1")[3:] == [429] * 3
