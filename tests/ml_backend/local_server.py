"""A real HTTP server in a thread, which can misbehave, and remembers its requests."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Asked:
    """A request, and ways to answer it correctly or not."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    handler: BaseHTTPRequestHandler

    def answer(
        self, body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a correct answer."""
        self.begin(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.handler.wfile.write(body)

    def begin(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of an answer with only these headers."""
        self.handler.send_response_only(status)
        for name, value in (headers or {}).items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def send(self, data: bytes) -> None:
        """Send a part of the body."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()


Route = Callable[[Asked], None]


@dataclass
class LocalServer:
    """A running server at 127.0.0.1. `routes` are by path; "*" is for all other paths."""

    routes: dict[str, Route]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    def authorizations(self) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.asked]


@contextmanager
def serving(routes: dict[str, Route], tls: ssl.SSLContext | None = None) -> Iterator[LocalServer]:
    """Run a server until the block ends."""
    local = LocalServer(routes)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length), self)
            local.asked.append(asked)
            route = local.routes.get(urlsplit(self.path).path) or local.routes.get("*")
            # In some tests the other side hangs up: that is what they are about.
            with suppress(OSError):
                asked.answer(status=404) if route is None else route(asked)
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.block_on_close = False
    local.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
