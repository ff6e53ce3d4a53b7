"""A web server that hands out the files of a folder, and now and then does not."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHARE = 0.03
"""So often each thing goes wrong: an error, half a file, silence."""

STALL = 3.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, told: Counter[str], *request: object) -> None:
        self._folder, self._told = folder, told
        super().__init__(*request)  # type: ignore[arg-type]  # what socketserver hands over

    def do_HEAD(self) -> None:
        self._answer(b"", len(self._data()))

    def do_GET(self) -> None:
        data, luck = self._data(), random.random()
        if luck < SHARE:
            self._told["500"] += 1
            self.send_error(500)
        elif luck < 2 * SHARE:
            self._told["truncated"] += 1
            self._answer(data[: len(data) // 2], len(data))
            self.close_connection = True
        else:
            if luck < 3 * SHARE:
                self._told["stalled"] += 1
                time.sleep(STALL)
            self._answer(data, len(data))

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def _data(self) -> bytes:
        return (self._folder / Path(self.path).name).read_bytes()

    def _answer(self, data: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:  # whoever asked was killed
            self.close_connection = True


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Its address, and what went wrong so far."""
    told = Counter[str]()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder, told))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", told
    finally:
        server.shutdown()
        server.server_close()
