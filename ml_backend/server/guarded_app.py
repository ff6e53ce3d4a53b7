"""What each request passes before its route: who calls, how often, and whether the server stops."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_backend.server.admission import SECRET_HEADER, Secret, is_cross_site, is_own_name
from ml_backend.server.guards import BasicAuth, RateLimit
from ml_backend.server.reason_phrase import REASON_HEADER, reason_phrase
from ml_backend.server.state import ServerState

OPEN_PATHS = ("/", "/ready")
"""Open without a password: they tell nothing, and those who ask them have none."""

UNLIMITED_PATHS = (*OPEN_PATHS, "/health")
"""Not counted by the rate limit: Label Studio and orchestrators ask them all the time."""

KNOWN_PATHS = (
    *("/", "/health", "/ready", "/setup", "/predict", "/versions", "/webhook", "/train"),
    *("/metrics", "/status", "/status/corrections.csv", "/status/corrections.json"),
    *("/status/training.log", "/status/training/cancel"),
)
"""Counted by name; all others are counted together, because anybody can make up names."""

EVENT_PATHS = ("/webhook", "/train")
"""Those who call them know the secret, if there is one."""

CLIENT_GONE = 499
"""What nginx logs for a client that has closed the connection; nobody receives it."""

BACK_SECONDS = 5
"""When to come again after the server has stopped: most start again at once."""


class GuardedApp:
    """Refuses who must not call, or calls too often, and counts requests."""

    def __init__(self, app: ASGIApp, backend: ServerState) -> None:
        settings = backend.settings
        self._app = app
        self._backend = backend
        self._auth = BasicAuth(settings.basic_auth_user, settings.basic_auth_pass)
        self._secret = Secret(settings.webhook_secret)
        self._limit = RateLimit(settings.requests_per_minute)
        # Whoever knows a password is no page under a foreign name: browsers don't send it there.
        self._checks_names = bool(settings.server_names) or not settings.basic_auth_pass

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, statuses = time.monotonic(), []

        async def send_and_note_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        path, knows_secret = self._secret.without(scope["path"])
        # From here on, nothing that is logged or shown has the secret in it.
        scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace")}
        try:
            app = self._refusal(Request(scope), knows_secret) or self._app
            await self._unless_stopping(app, scope, receive, send_and_note_status, statuses)
        finally:
            known = path if path in KNOWN_PATHS else "other"
            seconds = time.monotonic() - started
            status = statuses[0] if statuses else CLIENT_GONE
            self._backend.activity.served(known, status, seconds)

    async def _unless_stopping(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, statuses: list[int]
    ) -> None:
        """Answer, or refuse as soon as the server stops, whatever the request waits for."""
        answering = asyncio.ensure_future(app(scope, receive, send))
        stopping = asyncio.ensure_future(self._backend.stopping.wait())
        try:
            await asyncio.wait({answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() or statuses:
                await answering
                return
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
            if not statuses:
                await _stopping()(scope, receive, send)
        finally:
            stopping.cancel()
            answering.cancel()

    def _refusal(self, request: Request, knows_secret: bool) -> Response | None:
        path, headers = request.url.path, request.headers
        admitted = path in OPEN_PATHS or self._auth.admits(headers.get("authorization"))
        if path in EVENT_PATHS and self._secret:
            knows_secret = knows_secret or self._secret.is_in(headers)
            # Label Studio sends the password with the Train button, but with no other event.
            admitted = knows_secret or (self._auth.asks and admitted)
        client = request.client.host if request.client else ""
        free = admitted and path in UNLIMITED_PATHS
        wait = 0 if free else self._limit.wait_seconds(client)
        if wait:
            retry = {"Retry-After": str(math.ceil(wait))}
            return _refused(429, "Too many requests; see requests_per_minute.", retry)
        if self._checks_names and not is_own_name(
            headers.get("host", ""), self._backend.settings.server_names
        ):
            return _refused(421, "This server has another name; see server_names.")
        if is_cross_site(headers):
            return _refused(403, "Another web page may not call this server.")
        if not admitted:
            return self._unknown(path)
        if path in EVENT_PATHS and not _is_json(headers.get("content-type", "")):
            return _refused(415, "An event must be sent as application/json.")
        return None

    def _unknown(self, path: str) -> Response:
        if path in EVENT_PATHS:
            reason = (
                "An event came without the secret. In Label Studio, under Settings, Webhooks, give "
                f"it the header {SECRET_HEADER}, or connect the backend with the secret behind its "
                "address; see webhook_secret."
            )
            self._backend.activity.trouble("an event", reason)
            return _refused(401, reason)
        # Not 403: for a 401, Label Studio tells people that the credentials are wrong.
        basic = {"WWW-Authenticate": 'Basic realm="premask"'}
        return _refused(401, "The user or the password is wrong; see BASIC_AUTH_USER.", basic)


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _stopping() -> Response:
    headers = {"Retry-After": str(BACK_SECONDS), "Connection": "close"}
    return _refused(503, "The server is being stopped; ask again when it has started.", headers)


def _refused(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    phrase = {REASON_HEADER: reason_phrase(reason)}
    return JSONResponse({"error": reason}, status, headers={**phrase, **(headers or {})})
