"""A model hub on the loopback, for the hub's own client: one repository, as far as it is asked."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Server(ThreadingHTTPServer):
    def __init__(self, repository: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository, self.folder = repository, folder
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path, repository = unquote(urlsplit(self.path).path), self.server.repository
        if path.startswith(f"/api/models/{repository}"):
            described = _described(repository, self.server.folder, path)
            return self._send(json.dumps(described).encode(), with_body=True)
        name = path.partition(f"/{repository}/resolve/")[2].partition("/")[2]
        file = self.server.folder / name
        if not name or not file.is_file():
            return self.send_error(404)
        self.server.asked.append(name)
        return self._send(file.read_bytes(), with_body=with_body)

    def _send(self, data: bytes, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(repository: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as a repository; yields the address, and the files as they are asked for."""
    server = _Server(repository, folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _described(repository: str, folder: Path, path: str) -> object:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    if "/tree/" in path:
        return [
            {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40}
            for file in files
        ]
    return {
        "id": repository,
        "sha": COMMIT,
        "siblings": [{"rfilename": file.name} for file in files],
    }
