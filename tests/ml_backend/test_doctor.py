"""doctor: both directions between Label Studio and the backend, and what to do about each fault."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml_backend.commands import doctor
from ml_backend.commands.doctor import Finding, examined
from premask.errors import InvalidSetting
from tests.ml_backend.fake_label_studio import FakeLabelStudio, settings_for
from tests.ml_backend.local_server import Asked, LocalServer, Route, serving
from tests.ml_backend.test_pull import photo

Examine = Callable[..., list[Finding]]

RESERVED = b'{"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"}'
"""What Label Studio 1.23.2 says where its two switches are at their defaults."""


class Connecting:
    """What Label Studio knows of backends; `is_lenient` as with its first switch alone turned."""

    def __init__(self) -> None:
        self.backends: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.refuses, self.is_lenient = False, False

    def routes(self) -> dict[str, Route]:
        return {
            "/api/version/": lambda asked: asked.answer(b'{"release": "1.23.2"}'),
            "/api/current-user/whoami": lambda asked: asked.answer(b'{"email": "a@example.com"}'),
            "/api/ml/": self._backends,
            "/api/webhooks/": lambda asked: asked.answer(json.dumps(self.hooks).encode()),
        }

    def connect(self, url: str, *, hook: bool = True, **fields: Any) -> None:
        self.backends.append({"url": url, "state": "CO", "model_version": "v", **fields})
        if hook:
            self.hooks.append({"url": f"{url}/webhook", "is_active": True})

    def _backends(self, asked: Asked) -> None:
        if asked.method == "GET":
            asked.answer(json.dumps(self.backends).encode())
            return
        url = json.loads(asked.body)["url"]
        if not self.refuses or self.is_lenient:
            self.connect(url, hook=not self.refuses)
        if self.refuses:
            asked.answer(RESERVED, 403)
        else:
            asked.answer(json.dumps(self.backends[-1]).encode(), 201)


@pytest.fixture
def connecting() -> Connecting:
    return Connecting()


@pytest.fixture
def label_studio(connecting: Connecting) -> Iterator[LocalServer]:
    fake = FakeLabelStudio()
    fake.add_upload("a.png", photo())
    project = {"id": 1, "title": "cups", "label_config": fake.config}
    routes = {**fake.routes(), **connecting.routes()}
    routes["/api/projects/1/"] = lambda asked: asked.answer(json.dumps(project).encode())
    with serving(routes) as server:
        yield server


@pytest.fixture
def backend() -> Iterator[LocalServer]:
    up, ready = b'{"status": "UP"}', b'{"status": "READY"}'
    routes: dict[str, Route] = {
        "/health": lambda asked: asked.answer(up),
        "/ready": lambda asked: asked.answer(ready),
    }
    with serving(routes) as server:
        yield server


@pytest.fixture
def examine(label_studio: LocalServer) -> Examine:
    def examine(
        url: str | None = None, project: int | None = 1, connect: bool = False, **fields: Any
    ) -> list[Finding]:
        options = argparse.Namespace(url=url, project=project, connect=connect)
        return list(examined(options, settings_for(label_studio.url, **fields)))

    return examine


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.state == "wrong"]


def test_all_is_well(examine: Examine, connecting: Connecting, backend: LocalServer) -> None:
    connecting.connect(backend.url)
    findings = examine(f"{backend.url}/")
    assert [finding.state for finding in findings] == ["ok"] * 6
    said = "\n".join(finding.text for finding in findings)
    assert "Label Studio 1.23.2" in said
    assert "17 x 13 pixels" in said
    assert "gets answers" in said


def test_a_private_address_comes_with_what_to_set(examine: Examine, backend: LocalServer) -> None:
    *_, unconnected, advice = examine(backend.url)
    assert "--connect" in unconnected.text
    assert "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false" in advice.text
    assert "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false" in advice.text


def test_it_connects_and_looks_again(
    examine: Examine, connecting: Connecting, backend: LocalServer
) -> None:
    assert not wrong(examine(backend.url, connect=True))
    examine(backend.url, connect=True)
    assert len(connecting.backends) == 1


def test_a_refused_address_is_told_apart_from_a_refused_token(
    examine: Examine, connecting: Connecting, backend: LocalServer
) -> None:
    connecting.refuses = True
    (reason,) = wrong(examine(backend.url, connect=True))
    assert "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false" in reason
    assert "token" not in reason


def test_a_backend_without_its_webhook_is_found(
    examine: Examine, connecting: Connecting, backend: LocalServer
) -> None:
    connecting.refuses = connecting.is_lenient = True
    (reason,) = wrong(examine(backend.url, connect=True))
    assert "does not tell the backend" in reason
    assert f"{backend.url}/webhook" in reason


def test_a_disconnected_backend(
    examine: Examine, connecting: Connecting, backend: LocalServer
) -> None:
    connecting.connect(backend.url, state="DI", readable_state="Disconnected", error_message=None)
    (reason,) = wrong(examine(backend.url))
    assert "(Disconnected)" in reason
    assert "host.docker.internal" in reason


@pytest.mark.parametrize(
    ("path", "route", "said"),
    [
        ("/health", lambda asked: asked.answer(status=401), "BASIC_AUTH_USER"),
        ("/health", lambda asked: asked.answer(status=404), "says 404"),
        ("/ready", lambda asked: asked.answer(b"<html>"), "no premask backend"),
        ("/ready", lambda asked: asked.answer(b'{"status": "FAILED"}', 503), "/status says why"),
    ],
)
def test_what_answers_is_no_healthy_backend(
    examine: Examine, backend: LocalServer, path: str, route: Route, said: str
) -> None:
    backend.routes[path] = route
    (reason,) = wrong(examine(backend.url))
    assert said in reason


def test_nobody_answers(examine: Examine) -> None:
    (reason,) = wrong(examine("http://127.0.0.1:9"))
    assert "python -m ml_backend --port 9" in reason


def test_the_password_is_sent(examine: Examine, backend: LocalServer) -> None:
    examine(backend.url, basic_auth_user="a", basic_auth_pass="b")
    assert backend.authorizations() == ["Basic YTpi"] * 2


def test_a_wrong_token_and_a_wrong_project(examine: Examine) -> None:
    (reason,) = wrong(examine(project=7))
    assert "is the project's number right" in reason


def test_no_image_comes(examine: Examine, label_studio: LocalServer) -> None:
    label_studio.routes["/data/upload/1/a.png"] = lambda asked: asked.answer(status=500)
    (reason,) = wrong(examine())
    assert "500" in reason


def test_something_else_answers(examine: Examine, label_studio: LocalServer) -> None:
    label_studio.routes["/api/version/"] = lambda asked: asked.answer(b"[]")
    (reason,) = wrong(examine())
    assert "not Label Studio" in reason


def test_connect_needs_both_sides() -> None:
    options = argparse.Namespace(url="http://127.0.0.1:9", project=None, connect=True)
    with pytest.raises(InvalidSetting, match="--url and --project"):
        doctor.run(options, settings_for("http://127.0.0.1:1"))


def test_the_exit_code_says_whether_something_is_wrong(
    label_studio: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = argparse.Namespace(url=None, project=1, connect=False)
    assert doctor.run(options, settings_for(label_studio.url)) == 0
    options.project = 7
    assert doctor.run(options, settings_for(label_studio.url)) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("wrong ")
