"""python -m ml_backend [serve]: run the server until somebody stops it."""

from __future__ import annotations

import argparse
import logging

import uvicorn

from ml_backend.server.app import create_app
from ml_backend.server.reason_phrase import ReasonProtocol
from ml_backend.server.state import ServerState
from ml_backend.settings import BackendSettings, shown_settings
from premask.terminal.screen import table

STOP_SECONDS = 10
"""How long answers may still take when somebody stops the server."""


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Print the settings without secrets, then serve."""
    print(table(shown_settings(settings), ("setting", "value")), flush=True)
    backend = ServerState(settings)
    _log_to_terminal(settings, backend)
    server_of(backend).run()
    return 0


def server_of(backend: ServerState) -> uvicorn.Server:
    """A server that is not started yet."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(backend),
            host=backend.settings.host,
            port=backend.settings.port,
            http=ReasonProtocol,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


def _log_to_terminal(settings: BackendSettings, backend: ServerState) -> None:
    """Log everything, also of libraries, through one handler, which hides secrets."""
    handler = logging.StreamHandler()
    handler.addFilter(backend.redaction)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("premask", "uvicorn"):
        logging.getLogger(name).setLevel(settings.log_level)
