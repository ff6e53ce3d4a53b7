"""The routes that Label Studio calls, as an ASGI application."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_backend.predict.work_queue import QueueFull
from ml_backend.server.answers import ClientGone, TooLate
from ml_backend.server.guards import BasicAuth, Intake, RateLimit, TooLarge, TooMuchAtOnce
from ml_backend.server.metrics import CONTENT_TYPE
from ml_backend.server.reason_phrase import REASON_HEADER, reason_phrase
from ml_backend.server.state import ServerState
from ml_backend.studio.protocol import PredictCall, parse_json, project_id
from premask.errors import (
    InvalidRequest,
    ModelFailed,
    PremaskError,
    UnreadableImage,
    UnsupportedPrompt,
    UnusableLabelConfig,
)

log = logging.getLogger("premask.label_studio")

OPEN_PATHS = ("/", "/webhook")
"""Open without a password: Label Studio 1.23 sends none with its events, and / tells nothing."""

UNLIMITED_PATHS = ("/", "/health")
"""Not counted by the rate limit: Label Studio and orchestrators ask them all the time."""

KNOWN_PATHS = (
    *("/", "/health", "/setup", "/predict", "/versions", "/webhook"),
    *("/metrics", "/status", "/status/corrections.csv"),
)
"""Counted by name; all others are counted together, because anybody can make up names."""

CLIENT_GONE = 499
"""What nginx logs for a client that has closed the connection; nobody receives it."""

STATUS: dict[type[Exception], int] = {
    InvalidRequest: 400,
    TooLarge: 413,
    UnusableLabelConfig: 422,
    UnsupportedPrompt: 422,
    UnreadableImage: 422,
    QueueFull: 503,
    TooMuchAtOnce: 503,
    TooLate: 504,
    ClientGone: CLIENT_GONE,
    ClientDisconnect: CLIENT_GONE,
    PremaskError: 500,
}

_MESSAGES: dict[type[Exception], str] = {
    TooLarge: "The request is larger than max_request_megabytes allows.",
    QueueFull: "Too many clicks wait already; try again in a moment.",
    TooMuchAtOnce: "Too many large requests come in already; try again in a moment.",
    TooLate: "The models are busy: the click waited until Label Studio would have given up.",
    ClientGone: "The client has gone, and what it asked for is not done.",
    ClientDisconnect: "The client has gone in the middle of its request.",
}
_RETRY = {503: {"Retry-After": "1"}}


def create_app(backend: ServerState) -> Starlette:
    """The application; it starts and stops the backend."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        backend.start()
        yield
        await backend.stop()

    routes = _Routes(backend)
    return Starlette(
        routes=[
            Route("/", routes.health),
            Route("/health", routes.health),
            Route("/setup", routes.setup, methods=["POST"]),
            Route("/predict", routes.predict, methods=["POST"]),
            Route("/versions", routes.versions, methods=["GET", "POST"]),
            Route("/webhook", routes.webhook, methods=["POST"]),
            Route("/metrics", routes.metrics),
            Route("/status", routes.status),
            Route("/status/corrections.csv", routes.corrections),
        ],
        middleware=[Middleware(_Guarded, backend=backend)],
        exception_handlers={
            HTTPException: routes.refuse,
            **dict.fromkeys((*STATUS, Exception), routes.fail),
        },
        lifespan=lifespan,
    )


class _Routes:
    """The handlers of the routes."""

    def __init__(self, backend: ServerState) -> None:
        self._backend = backend
        self._intake = Intake(backend.settings.max_request_megabytes)

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "UP"})

    async def setup(self, request: Request) -> Response:
        document = parse_json(await self._intake.body_of(request))
        request.state.what = f"/setup of project {project_id(document.get('project'))}"
        return JSONResponse(self._backend.set_up(document))

    async def predict(self, request: Request) -> Response:
        call = PredictCall.parse(await self._intake.body_of(request))
        answers = self._backend.answers
        answer = answers.whole_tasks if call.context is None else answers.click
        return Response(await answer(call, request), media_type="application/json")

    async def versions(self, request: Request) -> Response:
        return JSONResponse({"versions": self._backend.versions()})

    async def webhook(self, request: Request) -> Response:
        body = await self._intake.body_of(request)
        if not body.lstrip().startswith(b"{"):
            raise InvalidRequest("An event must be one JSON object.")
        self._backend.events.webhook(body)
        return JSONResponse({})

    async def metrics(self, request: Request) -> Response:
        return Response(self._backend.metrics(), media_type=CONTENT_TYPE)

    # These two count corrections of years; as plain functions they run in a thread, and /health
    # does not wait for them.
    def status(self, request: Request) -> Response:
        return HTMLResponse(self._backend.status())

    def corrections(self, request: Request) -> Response:
        return PlainTextResponse(self._backend.events.corrections.csv(), media_type="text/csv")

    async def refuse(self, request: Request, error: Exception) -> Response:
        """The answer for a path or a method that does not exist."""
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    async def fail(self, request: Request, error: Exception) -> Response:
        """The answer for an error: in the body for programs, in the first line for Label Studio."""
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        message = str(error) if isinstance(error, PremaskError) else repr(error)
        reason = self._backend.redaction.hide(_MESSAGES.get(type(error), message))
        what = getattr(request.state, "what", request.url.path)
        # Label Studio shows nothing of a failed click: here and at /status people can look.
        # The traceback helps where a model library failed; premask's own errors explain themselves.
        traceback = error if isinstance(error, ModelFailed) else None
        log.warning("%s: answered with %d: %s", what, status, reason, exc_info=traceback)
        if status != CLIENT_GONE:
            self._backend.activity.trouble(what, reason)
        headers = {REASON_HEADER: reason_phrase(reason)} | _RETRY.get(status, {})
        return JSONResponse({"error": reason}, status, headers=headers)


class _Guarded:
    """Refuses clients without the password and those that call too often, and counts requests."""

    def __init__(self, app: ASGIApp, backend: ServerState) -> None:
        settings = backend.settings
        self._app = app
        self._activity = backend.activity
        self._auth = BasicAuth(settings.basic_auth_user, settings.basic_auth_pass)
        self._limit = RateLimit(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, statuses = time.monotonic(), []

        async def send_and_note_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await (self._refusal(Request(scope)) or self._app)(scope, receive, send_and_note_status)
        finally:
            path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
            seconds = time.monotonic() - started
            self._activity.served(path, statuses[0] if statuses else CLIENT_GONE, seconds)

    def _refusal(self, request: Request) -> Response | None:
        path = request.url.path
        header = request.headers.get("authorization")
        admitted = path in OPEN_PATHS or self._auth.admits(header)
        client = request.client.host if request.client else ""
        free = admitted and path in UNLIMITED_PATHS
        wait = 0 if free else self._limit.wait_seconds(client)
        if wait:
            return JSONResponse(
                {"error": "Too many requests; see requests_per_minute."},
                429,
                headers={"Retry-After": str(math.ceil(wait))},
            )
        if not admitted:
            # Not 403: for a 401, Label Studio tells people that the credentials are wrong.
            return JSONResponse(
                {"error": "The user or the password is wrong; see BASIC_AUTH_USER."},
                401,
                headers={"WWW-Authenticate": 'Basic realm="premask"'},
            )
        return None
