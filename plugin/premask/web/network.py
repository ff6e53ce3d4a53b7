"""HTTP requests to allowed hosts only, within limits of time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import urlsplit

from premask.web.addresses import server_of
from premask.web.hosts import Address, Hosts

CHUNK_BYTES = 2**16


class BrokenReply(ConnectionError):
    """The answer ended before it was complete, or is not what its head says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds to wait: for the connection, for the next bytes, and for the whole exchange."""

    connect: float = 5.0
    read: float = 20.0
    total: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `body` yields its bytes, decompressed, as they come in.

    `length` is that of the body before decompression, where the server tells it. Where `tells_end`
    is false, an answer that was cut off looks like a complete one.
    """

    status: int
    headers: Message
    length: int | None
    tells_end: bool
    body: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Sends requests to the hosts that are allowed."""

    hosts: Hosts = Hosts()
    time_limits: TimeLimits = TimeLimits()
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @contextmanager
    def exchange(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ends: float | None = None,
    ) -> Iterator[Reply]:
        """Send one request over a new connection; redirects are not followed.

        The whole exchange must be over at `ends` on the monotonic clock, by default after the total
        of `time_limits`.
        """
        ends = time.monotonic() + self.time_limits.total if ends is None else ends
        _require_time(ends)
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with closing(self._connection(url)) as connection, _cut_off_at(ends, connection.sock):
            try:
                if isinstance(connection.sock, ssl.SSLSocket):
                    connection.sock.do_handshake()
                connection.sock.settimeout(self.time_limits.read)
                connection.request(method, target, body, {**_HEADERS, **(headers or {})})
                with closing(connection.getresponse()) as answer:
                    yield _reply(answer, ends)
            except (OSError, http.client.HTTPException, ValueError) as error:
                _require_time(ends, error)
                raise

    def _connection(self, url: str) -> http.client.HTTPConnection:
        """A connection whose socket leads to the address that was checked.

        If http.client made the socket, it would look the name up again, and the second answer may
        be an address that is not allowed.
        """
        scheme, host, port = server_of(urlsplit(url))
        tcp_socket = _socket_to(self.hosts.addresses_of(host, port), self.time_limits.connect)
        if scheme == "http":
            connection = http.client.HTTPConnection(host, port)
            connection.sock = tcp_socket
        else:
            connection = http.client.HTTPSConnection(host, port, context=self.tls)
            connection.sock = self.tls.wrap_socket(
                tcp_socket, server_hostname=host, do_handshake_on_connect=False
            )
        connection.auto_open = 0
        return connection


_HEADERS = {"User-Agent": "premask", "Accept-Encoding": "identity", "Connection": "close"}


def _socket_to(addresses: list[Address], seconds: float) -> socket.socket:
    """A connection to the first address that answers."""
    failed: OSError = ConnectionError("its name has no address")
    for family, where in addresses:
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(seconds)
            plain.connect(where)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain
        except OSError as error:
            plain.close()
            failed = error
    raise failed


@contextmanager
def _cut_off_at(ends: float, connected: socket.socket) -> Iterator[None]:
    """Shut the socket down when the time is over, which wakes up whoever waits for it."""
    watchdog = threading.Timer(ends - time.monotonic(), _shut, [connected])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _shut(connected: socket.socket) -> None:
    # The other side may have closed it in the same moment.
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _reply(answer: http.client.HTTPResponse, ends: float) -> Reply:
    return Reply(
        status=answer.status,
        headers=answer.headers,
        length=answer.length,
        tells_end=bool(answer.chunked) or answer.length is not None,
        body=_until(ends, _unpacked(answer)),
    )


def _require_time(ends: float, cause: Exception | None = None) -> None:
    if time.monotonic() >= ends:
        raise TimeoutError("it took too long") from cause


def _until(ends: float, body: Iterator[bytes]) -> Iterator[bytes]:
    """The body; raises at its end if the time is over, because the body may have been cut off."""
    yield from body
    _require_time(ends)


def _unpacked(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    packing = answer.getheader("Content-Encoding", "identity").strip().lower()
    if packing == "identity":
        return _received(answer)
    if packing in ("gzip", "x-gzip", "deflate"):
        return _inflated(_received(answer))
    raise BrokenReply(f"it is packed as '{packing}', which was not asked for")


def _received(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes in; raises where its end is missing, which `http.client` does not."""
    expected = None if answer.chunked else answer.length
    left = CHUNK_BYTES if expected is None else expected
    while left and (data := answer.read1(min(left, CHUNK_BYTES))):
        yield data
        left = left if expected is None else left - len(data)
    if expected is not None and left:
        raise BrokenReply(f"it ended {left} bytes before the end")


def _inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    """The body, decompressed in small pieces: a few bytes may become gigabytes."""
    inflate = zlib.decompressobj(wbits=47)
    try:
        for data in packed:
            waiting = data
            while waiting:
                yield inflate.decompress(waiting, CHUNK_BYTES)
                waiting = inflate.unconsumed_tail
    except zlib.error as error:
        raise BrokenReply(f"it can't be unpacked ({error})") from error
    if not inflate.eof:
        raise BrokenReply("it ended before the end of what was packed")
