"""python -m ml_backend doctor: whether Label Studio and the backend reach each other, both ways."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from ml_backend.commands.doctor_calls import called
from ml_backend.project.label_config import parse_label_config
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.connection import (
    SWITCHES,
    Connection,
    connect,
    connections,
    is_told_of_events,
)
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json
from premask.errors import InvalidSetting, LabelStudioFailed, PremaskError
from premask.images import read_image
from premask.terminal.screen import printable
from premask.web.hosts import ForbiddenAddress, Hosts

TASKS = 3
"""Images of so many tasks are fetched: the first one alone may be special."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; of what is wrong, the text says what to do."""

    state: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command, beside those of the settings."""
    add = parser.add_argument
    add("--url", metavar="URL", help="the backend's address as Label Studio calls it")
    add("--project", type=int, metavar="N", help="the number of a project to look at")
    add(
        "--connect",
        action="store_true",
        help="connect the backend at --url to the project, and say what Label Studio says to it",
    )


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Print what was found, as it is found; the exit code is 1 where something is wrong."""
    if options.connect and not (options.url and options.project):
        raise InvalidSetting("--connect needs to know what, and to what: --url and --project.")
    is_wrong = False
    for finding in examined(options, settings):
        print(f"{finding.state:<6} {printable(finding.text)}", flush=True)
        is_wrong = is_wrong or finding.state == "wrong"
    return 1 if is_wrong else 0


def examined(options: argparse.Namespace, settings: BackendSettings) -> Iterator[Finding]:
    """Everything there is to look at; what can't work without something before is left out."""
    url = (options.url or "").rstrip("/")
    if url:
        trouble = called(url, settings)
        yield _wrong(trouble) if trouble else _ok(f"A premask backend answers at {url}.")
    try:
        client = LabelStudioClient.from_settings(settings)
        version = _said(client.get("/api/version/"), "release")
        person = _said(client.get("/api/current-user/whoami"), "email")
    except PremaskError as error:
        yield _wrong(str(error))
        return
    yield _ok(f"Label Studio {version} answers at {settings.label_studio_url}, to {person}.")
    if not options.project:
        yield _note("With --project N, one of its projects is looked at, too.")
        yield from _private(url)
        return
    try:
        project = client.project(options.project)
        yield _ok(f"Project {options.project} is '{project.get('title')}'.")
        yield from _images(client, project, settings)
        if url:
            yield from _connected(client, options.project, url, options.connect, settings)
    except PremaskError as error:
        yield _wrong(str(error))


def _private(url: str) -> Iterator[Finding]:
    """What Label Studio would think of an address that it has not called yet."""
    host, port = urlsplit(url).hostname, urlsplit(url).port or 80
    if host is None:
        return
    try:
        Hosts().addresses_of(host, port)
    except ForbiddenAddress:
        yield _note(
            f"{host} is in a private network or this machine, and Label Studio calls no such "
            f"address by default: {SWITCHES}."
        )
    except OSError:
        yield _note(
            f"The name {host} is not known here. If it is one of a network that Label Studio is "
            "in, such as Docker's, run this there."
        )


def _images(
    client: LabelStudioClient, project: Json, settings: BackendSettings
) -> Iterator[Finding]:
    """Whether the backend gets the images of the first tasks, where there are any."""
    config = parse_label_config(project["label_config"])
    fetcher, looked_at = ImageFetcher(settings), 0
    for task in islice(client.tasks(project["id"]), TASKS):
        here = config.of_task(task["data"])
        for image in here.images:
            for page in here.pages(image, task["data"])[:1]:
                data = fetcher.image_bytes(page.url, task_id=task["id"])
                height, width = read_image(data, page.url).rgb.shape[:2]
                looked_at += 1
                yield _ok(f"Image '{image}' of task {task['id']} comes: {width} x {height} pixels.")
    if not looked_at and not config.videos:
        yield _note("There is no task with an image yet.")


def _connected(
    client: LabelStudioClient, project: int, url: str, may_connect: bool, settings: BackendSettings
) -> Iterator[Finding]:
    """The other direction: whether Label Studio has the backend, and gets its answers."""
    refusal = ""
    known = {connection.url: connection for connection in connections(client, project)}
    if url not in known and may_connect:
        try:
            connect(client, project, url, settings)
        except PremaskError as error:
            refusal = str(error)
        # A backend whose webhook was refused is refused, and connected nevertheless.
        known = {connection.url: connection for connection in connections(client, project)}
    if url not in known:
        others = f", but with {', '.join(known)}" if known else ""
        what = f"Project {project} is not connected with {url}{others}."
        if refusal:
            yield _wrong(f"{what} {refusal}")
            return
        yield _note(f"{what} Connect it under Settings, Model, or with --connect.")
        yield from _private(url)
        return
    yield _answer(known[url])
    if is_told_of_events(client, project, url):
        yield _ok("Label Studio tells the backend what people do.")
    else:
        yield _wrong(
            "Label Studio does not tell the backend what people do, so corrections are not "
            f"counted: it has no webhook {url}/webhook. It makes one when a backend is connected, "
            f"but not to private networks: {SWITCHES}; then delete the backend there and connect "
            "it again."
        )


def _answer(connection: Connection) -> Finding:
    if not connection.trouble:
        return _ok(
            f"Label Studio gets answers from {connection.url}; its model version is "
            f"{connection.version or 'not known'}."
        )
    return _wrong(
        f"Label Studio gets no answer from {connection.url} ({connection.trouble}). If it is in a "
        f"private network, {SWITCHES}. If Label Studio runs in a container, localhost is that "
        "container: name this machine as it does, such as host.docker.internal."
    )


def _said(answer: Any, name: str) -> str:
    if not isinstance(answer, dict) or name not in answer:
        raise LabelStudioFailed(
            "What answers at LABEL_STUDIO_URL is not Label Studio: its answers are others."
        )
    return str(answer[name])


def _ok(text: str) -> Finding:
    return Finding(state="ok", text=text)


def _note(text: str) -> Finding:
    return Finding(state="note", text=text)


def _wrong(text: str) -> Finding:
    return Finding(state="wrong", text=text)
