"""Passwords, rate and size limits, and secrets that must not be shown."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ml_backend.server.guards import MEGABYTE, BasicAuth, Intake, RateLimit, TooMuchAtOnce
from ml_backend.server.redaction import Redaction
from tests.ml_backend.conftest import Connect
from tests.ml_backend.label_studio_calls import (
    PAYLOADS,
    clicked,
    keypoint,
    payload,
    predict_call,
)

JSON = {"content-type": "application/json"}
USER, PASSWORD = "premask", "pass-of-nobody-4567"
API_KEY = "0123456789abcdef0123456789abcdef01234567"
GATED = ("/health", "/versions", "/metrics", "/status", "/status/corrections.csv")


def header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Basic",
        "Basic ???",
        header(USER, ""),
        header("", PASSWORD),
        header(USER, PASSWORD + "x"),
        header(USER, PASSWORD).replace("Basic", "Bearer"),
        "Basic ÿÿÿ",
        f"{USER}:{PASSWORD}",
    ],
)
def test_only_the_user_with_the_password_is_admitted(sent: str | None) -> None:
    auth = BasicAuth(USER, PASSWORD)
    assert not auth.admits(sent)
    assert auth.admits(header(USER, PASSWORD))
    assert BasicAuth("", "").admits(sent)


def test_everything_but_the_root_and_readiness_needs_the_password(connect: Connect) -> None:
    client = connect(recipe="click", basic_auth_user=USER, basic_auth_pass=PASSWORD)
    for path in GATED:
        assert client.get(path).status_code == 401
        assert client.get(path, auth=(USER, PASSWORD)).status_code == 200
    for path in ("/setup", "/predict"):
        refused = client.post(path, json={})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
    # Label Studio 1.23 sends no password with its events; for them there is the secret.
    assert client.post("/webhook", json=payload("start_training")).status_code == 401
    for path in ("/", "/ready"):
        assert client.get(path).status_code in (200, 503)


def test_a_bucket_is_emptied_and_fills_again() -> None:
    now = 0.0
    limit = RateLimit(60, lambda: now)
    assert [limit.wait_seconds("a") for _ in range(60)] == [0] * 60
    assert limit.wait_seconds("a") == pytest.approx(1)
    assert limit.wait_seconds("b") == 0
    now = 0.5
    assert limit.wait_seconds("a") == pytest.approx(0.5)
    now = 1.0
    assert limit.wait_seconds("a") == 0
    now = 1000.0
    assert [limit.wait_seconds("a") > 0 for _ in range(61)] == [False] * 60 + [True]


def test_clients_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.server.guards.CLIENTS", 3)
    limit = RateLimit(1, lambda: 0.0)
    assert [limit.wait_seconds(client) for client in "abcda"] == [0] * 5
    assert limit.wait_seconds("d") > 0


def test_who_comes_too_often_waits(connect: Connect) -> None:
    client = connect(recipe="click", requests_per_minute=3)
    answers = [client.get("/versions") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) == 20
    assert client.get("/health").status_code == 200


def test_passwords_can_not_be_guessed_quickly(connect: Connect) -> None:
    client = connect(
        recipe="click", basic_auth_user=USER, basic_auth_pass=PASSWORD, requests_per_minute=3
    )
    statuses = [client.get("/health", auth=(USER, "guess")).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert client.get("/health", auth=(USER, PASSWORD)).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook"])
def test_a_request_that_is_too_large_is_refused(
    connect: Connect, path: str, announced: bool
) -> None:
    client = connect(recipe="click", max_request_megabytes=1)
    body = b"{" + b" " * 2**20 + b"}"
    sent = body if announced else iter([body[:100], body[100:]])
    response = client.post(path, content=sent, headers=JSON)
    assert response.status_code == 413
    assert "max_request_megabytes" in response.json()["error"]


class Upload:
    """A request whose body comes in two parts, with time for others in between."""

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, megabytes: int) -> None:
        self._half = bytes(megabytes * MEGABYTE // 2)

    async def stream(self) -> AsyncIterator[bytes]:
        yield self._half
        await asyncio.sleep(0.01)
        yield self._half


def test_what_many_send_at_once_does_not_fill_the_memory() -> None:
    intake = Intake(2)

    async def sizes_of(uploads: int) -> list[int | type]:
        requests: list[Any] = [Upload(2) for _ in range(uploads)]
        read = await asyncio.gather(*map(intake.body_of, requests), return_exceptions=True)
        return [len(body) if isinstance(body, bytes) else type(body) for body in read]

    assert asyncio.run(sizes_of(4)) == [2 * MEGABYTE] * 4
    refused = asyncio.run(sizes_of(9))
    assert set(refused) == {2 * MEGABYTE, TooMuchAtOnce}
    assert asyncio.run(sizes_of(4)) == [2 * MEGABYTE] * 4


def test_who_sends_too_much_at_once_is_told_to_come_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_backend.server.guards.BODIES_AT_ONCE", 0)
    refused = connect(recipe="click").post("/predict", json=payload("predict_batch"))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "large requests" in refused.json()["error"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Token 0f1e2d3c4b5a69788796a5b4c3d2e1f000112233", "0f1e2d3c"),
        ("sent Bearer eyJhbGciOi.eyJzdWIi.c2ln", "eyJ"),
        ("a PAT eyJhbGciOi.eyJzdWIi.c2ln here", "eyJ"),
        ("Basic cHJlbWFzazpwYXNz", "cHJl"),
        ("http://me:hunter22@host/x.png", "hunter22"),
        ("https://s3/x.png?X-Amz-Signature=abc123&a=1", "abc123"),
        (f"the key is {API_KEY}.", API_KEY),
    ],
)
def test_secrets_are_hidden_whoever_wrote_them(text: str, hidden: str) -> None:
    shown = Redaction([API_KEY, ""]).hide(text)
    assert hidden not in shown
    assert "(hidden)" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication needs a user and a password",
        "LABEL_STUDIO_URL and a token are not set",
        "http://localhost:8080/data/upload/1/x.png?d=token",
        "Create a personal access token in Label Studio (Account & Settings)",
    ],
)
def test_ordinary_sentences_are_left_alone(text: str) -> None:
    assert Redaction([API_KEY]).hide(text) == text


def test_tracebacks_are_redacted_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError(API_KEY)
    except ValueError:
        with caplog.at_level("ERROR"):
            logging.getLogger("test").exception("failed with %s", API_KEY)
    record = caplog.records[-1]
    Redaction([API_KEY]).filter(record)
    assert API_KEY not in logging.Formatter().format(record)
    assert "Traceback" in logging.Formatter().format(record)


def test_no_secret_of_any_payload_is_logged_or_shown(
    connect: Connect, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    client = connect(
        recipe="click",
        basic_auth_user=USER,
        basic_auth_pass=PASSWORD,
        label_studio_url="http://label-studio.example:8080",
        label_studio_api_key=API_KEY,
    )
    client.auth = (USER, PASSWORD)
    with caplog.at_level(logging.DEBUG):
        for path in sorted(PAYLOADS.glob("*.json")):
            route = {"setup": "/setup", "predict": "/predict"}.get(path.stem.partition("_")[0])
            client.post(route or "/webhook", content=path.read_bytes(), headers=JSON)
        click = clicked(keypoint(5, 5, positive=False))
        client.post("/predict", json=predict_call(f"/{API_KEY}.png", context=click))
        shown = [client.get(path).text for path in GATED]
    client.__exit__(None, None, None)
    secrets = (API_KEY, PASSWORD, payload("setup")["access_token"])
    token = payload("annotation_created")["project"]["token"]
    journal = (tmp_path / "events.jsonl").read_text()
    assert "ANNOTATION_CREATED" in journal
    for secret in (*secrets, token, header(USER, PASSWORD)):
        for text in (*shown, caplog.text, journal):
            assert secret not in text
