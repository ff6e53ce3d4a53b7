"""How Label Studio sees a backend: whether it reaches it, and whether it tells it of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.json_reading import Json
from premask.errors import LabelStudioFailed

RESERVED = "reserved network address"
"""What Label Studio says of addresses in private networks, and of its own machine."""

SWITCHES = (
    "start Label Studio with LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false and "
    "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false"
)

_CONNECTED = "CO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A backend as Label Studio has it saved for a project; `trouble` is empty where it answers."""

    url: str
    trouble: str
    version: str


def connections(client: LabelStudioClient, project: int) -> Iterator[Connection]:
    """The project's backends. Label Studio calls each of them before it answers."""
    for backend in client.get(f"/api/ml/?{urlencode({'project': project})}"):
        yield _connection(backend)


def connect(
    client: LabelStudioClient, project: int, url: str, settings: BackendSettings
) -> Connection:
    """Connect a backend as *Settings, Model* does; raises with Label Studio's reason."""
    backend: Json = {"project": project, "url": url, "title": "premask", "is_interactive": True}
    if settings.basic_auth_pass:
        backend |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": settings.basic_auth_user,
            "basic_auth_pass": settings.basic_auth_pass,
        }
    try:
        return _connection(client.post("/api/ml/", json.dumps(backend).encode()))
    except LabelStudioFailed as error:
        if RESERVED not in str(error):
            raise
        raise LabelStudioFailed(
            f"Label Studio may not call {url}, because that is in a private network or on its own "
            f"machine: {SWITCHES}, and connect it again."
        ) from error


def is_told_of_events(client: LabelStudioClient, project: int, url: str) -> bool:
    """Whether Label Studio sends the backend at this address what people do in the project."""
    hooks = client.get(f"/api/webhooks/?{urlencode({'project': project})}")
    wanted = f"{url.rstrip('/')}/webhook"
    return any(hook["url"].rstrip("/") == wanted and hook["is_active"] for hook in hooks)


def _connection(backend: Json) -> Connection:
    trouble = ""
    if backend.get("state") != _CONNECTED:
        trouble = str(backend.get("error_message") or backend.get("readable_state") or "no answer")
    return Connection(
        url=str(backend["url"]).rstrip("/"),
        trouble=trouble,
        version=str(backend.get("model_version") or ""),
    )
