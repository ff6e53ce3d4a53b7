"""uvicorn, set up for this server: bounded connections, trusted proxies, and a quick end."""

from __future__ import annotations

import os
import socket

import uvicorn

from ml_backend.server.app import create_app
from ml_backend.server.connections import (
    ACCEPTED_AT_ONCE,
    QUEUED_CONNECTIONS,
    BoundedConnection,
)
from ml_backend.server.state import ServerState

STOP_SECONDS = 3
"""How long answers that have begun may still take. Docker waits for ten seconds in all."""


class HttpServer(uvicorn.Server):
    """Tells the backend that it stops before anybody waits for requests under way."""

    def __init__(self, backend: ServerState) -> None:
        settings = backend.settings
        super().__init__(
            uvicorn.Config(
                create_app(backend),
                host=settings.host,
                port=settings.port,
                http=BoundedConnection,
                backlog=ACCEPTED_AT_ONCE,
                log_config=None,
                access_log=False,
                # By default uvicorn believes everybody on this machine.
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._backend = backend

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # asyncio takes the same number for what it accepts at once and for what the system queues.
        for listening in (place for server in self.servers for place in server.sockets):
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(QUEUED_CONNECTIONS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._backend.stopping.set()
        await super().shutdown(sockets)
