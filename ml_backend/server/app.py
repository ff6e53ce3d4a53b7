"""The routes that Label Studio calls, as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from ml_backend.predict.work_queue import QueueFull
from ml_backend.project.region_prompts import UnreadableRegion
from ml_backend.server.answers import ClientGone, TooLate
from ml_backend.server.corrections import corrections_csv, corrections_json
from ml_backend.server.events import project_to_train
from ml_backend.server.guarded_app import CLIENT_GONE, GuardedApp
from ml_backend.server.guards import Intake, TooLarge, TooMuchAtOnce
from ml_backend.server.metrics import CONTENT_TYPE
from ml_backend.server.reason_phrase import REASON_HEADER, reason_phrase
from ml_backend.server.state import ServerState
from ml_backend.studio.json_reading import Json, read_object
from ml_backend.studio.protocol import PredictCall, project_id
from ml_backend.training.trainer import TrainingRefused
from premask.errors import (
    InvalidRequest,
    InvalidSetting,
    ModelFailed,
    PremaskError,
    UnknownName,
    UnreadableImage,
    UnsupportedPrompt,
    UnusableLabelConfig,
)

log = logging.getLogger("premask.label_studio")

STATUS: dict[type[Exception], int] = {
    UnreadableRegion: 422,
    InvalidRequest: 400,
    TooLarge: 413,
    UnusableLabelConfig: 422,
    UnsupportedPrompt: 422,
    UnknownName: 422,
    InvalidSetting: 422,
    UnreadableImage: 422,
    QueueFull: 503,
    TooMuchAtOnce: 503,
    TrainingRefused: 409,
    TooLate: 504,
    ClientGone: CLIENT_GONE,
    ClientDisconnect: CLIENT_GONE,
    PremaskError: 500,
}

_MESSAGES: dict[type[Exception], str] = {
    TooLarge: "The request is larger than max_request_megabytes allows, or an event than 32 MB.",
    QueueFull: "Too many clicks wait already; try again in a moment.",
    TooMuchAtOnce: "Too many large requests come in already; try again in a moment.",
    TooLate: "The models are busy: the click waited until Label Studio would have given up.",
    ClientGone: "The client has gone, and what it asked for is not done.",
    ClientDisconnect: "The client has gone in the middle of its request.",
}
LONGEST_ERROR = 300
EVENT_BYTES = 32 * 2**20
ANNOTATIONS = ((None, b"annotations"),)
"""All that people have drawn in a project, which /train is sent, and which is read elsewhere."""
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
            Route("/ready", routes.ready),
            Route("/setup", routes.setup, methods=["POST"]),
            Route("/predict", routes.predict, methods=["POST"]),
            Route("/versions", routes.versions, methods=["GET", "POST"]),
            Route("/webhook", routes.webhook, methods=["POST"]),
            Route("/train", routes.train, methods=["POST"]),
            Route("/metrics", routes.metrics),
            Route("/status", routes.status),
            Route("/status/corrections.csv", routes.corrections_csv),
            Route("/status/corrections.json", routes.corrections_json),
            Route("/status/training.log", routes.training_log),
            Route("/status/training/cancel", routes.cancel_training, methods=["POST"]),
        ],
        middleware=[Middleware(GuardedApp, backend=backend)],
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

    async def ready(self, request: Request) -> Response:
        """For orchestrators: whether it makes sense to send work. /status says why not."""
        state = self._backend.readiness()
        return JSONResponse({"status": state}, 200 if state == "READY" else 503)

    async def setup(self, request: Request) -> Response:
        def set_up(body: bytes) -> Json:
            document = read_object(body)
            request.state.what = f"/setup of project {project_id(document.get('project'))}"
            return self._backend.set_up(document)

        return JSONResponse(await self._intake.read(request, set_up))

    async def predict(self, request: Request) -> Response:
        call = await self._intake.read(request, PredictCall.parse)
        answers = self._backend.answers
        answer = answers.whole_tasks if call.context is None else answers.click
        return Response(await answer(call, request), media_type="application/json")

    async def versions(self, request: Request) -> Response:
        return JSONResponse({"versions": self._backend.versions()})

    async def webhook(self, request: Request) -> Response:
        def take(body: bytes) -> str | None:
            if not body.lstrip().startswith(b"{"):
                raise InvalidRequest("An event must be one JSON object.")
            self._backend.events.webhook(body)
            return project_to_train(body)

        project = await self._intake.read(request, take, limit=EVENT_BYTES)
        return JSONResponse({} if project is None else await self._train(project))

    async def train(self, request: Request) -> Response:
        """What Label Studio calls in the place of an event where its flags are those of 2022."""

        def project(body: bytes) -> str:
            return project_id(read_object(body, without=ANNOTATIONS).get("project"))

        return JSONResponse(await self._train(await self._intake.read(request, project)))

    async def _train(self, project: str) -> Json:
        record = await asyncio.to_thread(self._backend.trainer.begin, project)
        return {"training": f"run {record.number} has begun; /status shows how it goes"}

    def training_log(self, request: Request) -> Response:
        return PlainTextResponse(self._backend.trainer.log())

    def cancel_training(self, request: Request) -> Response:
        self._backend.trainer.cancel()
        return RedirectResponse("../../status", 303)

    async def metrics(self, request: Request) -> Response:
        return Response(self._backend.metrics(), media_type=CONTENT_TYPE)

    # These count corrections of years; as plain functions they run in a thread, and /health does
    # not wait for them.
    def status(self, request: Request) -> Response:
        return HTMLResponse(self._backend.status())

    def corrections_csv(self, request: Request) -> Response:
        counts = self._backend.events.corrections.counts()
        return PlainTextResponse(corrections_csv(counts), media_type="text/csv")

    def corrections_json(self, request: Request) -> Response:
        return JSONResponse(corrections_json(self._backend.events.corrections.counts()))

    async def refuse(self, request: Request, error: Exception) -> Response:
        """The answer for a path or a method that does not exist."""
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    async def fail(self, request: Request, error: Exception) -> Response:
        """The answer for an error: in the body for programs, in the first line for Label Studio."""
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
        # Not the whole of an unforeseen error: some hold the text that they stumbled over.
        foreign = f"{type(error).__name__}({str(error)!r})"[:LONGEST_ERROR]
        message = str(error) if isinstance(error, PremaskError) else foreign
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
