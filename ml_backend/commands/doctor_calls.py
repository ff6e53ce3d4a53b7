"""What `doctor` sees of a backend when it calls it as Label Studio does."""

from __future__ import annotations

import base64
import http.client
import json
import time

from ml_backend.settings import BackendSettings
from ml_backend.studio.addresses import Origin
from premask.web.hosts import Hosts
from premask.web.image_bytes import failure_in_words
from premask.web.network import Network, TimeLimits

PATIENCE = 10.0
HEALTH_SECONDS = 1.0
"""Label Studio waits no longer for /health (ML_TIMEOUT_HEALTH)."""

_LONGEST_ANSWER = 2000
_STATES = ("READY", "LOADING", "FAILED")


def called(url: str, settings: BackendSettings) -> str:
    """Why the backend at this address is of no use; empty where it answers as it should."""
    network = Network(
        hosts=Hosts(origin=Origin.of(url)), time_limits=TimeLimits(read=PATIENCE, total=PATIENCE)
    )
    headers = _authorization(settings)
    try:
        began = time.monotonic()
        status, _ = _get(network, f"{url}/health", headers)
        seconds = time.monotonic() - began
        if status == 401:
            return (
                f"The backend at {url} asks for a password: set BASIC_AUTH_USER and "
                "BASIC_AUTH_PASS here, and both under Settings, Model in Label Studio."
            )
        if status != 200:
            return f"What answers at {url}/health says {status}: is it the backend's address?"
        _, state = _get(network, f"{url}/ready", headers)
    except (OSError, http.client.HTTPException) as error:
        reason = failure_in_words(error, PATIENCE)
        return (
            f"No backend answers at {url}: {reason}. Start one with: python -m ml_backend "
            f"--port {Origin.of(url).port}"
        )
    if state == "FAILED":
        return f"The backend's models could not be loaded; {url}/status says why."
    if state not in _STATES:
        return f"What answers at {url} is no premask backend."
    if seconds > HEALTH_SECONDS:
        return (
            f"The backend took {seconds:.1f} s to say that it lives, and Label Studio waits for "
            "one: is the machine overloaded, or the way to it slow?"
        )
    return ""


def _get(network: Network, url: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status, and what the answer says of the server's state."""
    with network.exchange(url, headers=headers) as reply:
        body = b""
        for part in reply.body:
            body += part
            if len(body) > _LONGEST_ANSWER:
                break
    try:
        answer = json.loads(body)
    except ValueError:
        return reply.status, ""
    return reply.status, str(answer.get("status", "")) if isinstance(answer, dict) else ""


def _authorization(settings: BackendSettings) -> dict[str, str]:
    if not settings.basic_auth_pass:
        return {}
    pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
