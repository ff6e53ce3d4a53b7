"""python -m ml_backend [serve]: run the server until somebody stops it."""

from __future__ import annotations

import argparse
import logging
import os

from ml_backend.commands.correction_set import set_maker
from ml_backend.server.http_server import HttpServer
from ml_backend.server.log_repeats import Repeats
from ml_backend.server.state import ServerState
from ml_backend.settings import BackendSettings, shown_settings
from premask.terminal.screen import table

log = logging.getLogger("premask.label_studio")

INTERRUPTED = 130
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Print the settings without secrets, then serve."""
    print(table(shown_settings(settings), ("setting", "value")), flush=True)
    backend = ServerState(settings, make_set=set_maker(settings))
    _log_to_terminal(settings, backend)
    if settings.host not in LOOPBACK and not settings.basic_auth_pass:
        log.warning(
            "Other machines may call this server, and it has no password: set BASIC_AUTH_USER and "
            "BASIC_AUTH_PASS."
        )
    elif settings.basic_auth_pass and not settings.webhook_secret:
        log.warning(
            "Label Studio sends no password with events, so they are refused: see webhook_secret."
        )
    try:
        server_of(backend).run()
    except KeyboardInterrupt:
        # Python would wait for threads that are in the middle of a model, however long that takes.
        if backend.answers.busy:
            logging.shutdown()
            os._exit(INTERRUPTED)
        raise
    return 0


def server_of(backend: ServerState) -> HttpServer:
    """A server that is not started yet."""
    return HttpServer(backend)


def _log_to_terminal(settings: BackendSettings, backend: ServerState) -> None:
    """Log everything, also of libraries, through one handler, which hides secrets."""
    handler = logging.StreamHandler()
    # In this order: the second one puts the arguments into the message.
    handler.addFilter(Repeats())
    handler.addFilter(backend.redaction)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("premask", "uvicorn"):
        logging.getLogger(name).setLevel(settings.log_level)
