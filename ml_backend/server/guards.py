"""Limits of requests: password, rate, and what reading them takes."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

CLIENTS = 4096
"""How many clients the rate limit knows; the one that was quiet for longest is forgotten."""

MEGABYTE = 2**20

BODIES_AT_ONCE = 4
"""Bodies that are read at the same time may take this many times the largest one's size."""

SMALL_BYTES, SMALL_AT_ONCE = 2**18, 4
"""Clicks are parsed beside each other; larger bodies one after the other, each a while."""

Read = TypeVar("Read")


_DIGITS = 18
"""A length of more digits is too large, whatever they are; Python refuses to read thousands."""

_IPV6_NETWORK = 64
"""Whoever has one IPv6 address has the whole network with these leading bits."""


class TooLarge(Exception):
    """One body is longer than allowed."""


class TooMuchAtOnce(Exception):
    """All bodies that are being read are longer than allowed together."""


class BasicAuth:
    """One user and one password; without them, everybody is admitted."""

    def __init__(self, user: str, password: str) -> None:
        self._expected = f"{user}:{password}".encode() if user else None

    @property
    def asks(self) -> bool:
        """Whether there is a password."""
        return self._expected is not None

    def admits(self, header: str | None) -> bool:
        """Whether the Authorization header has both, compared in constant time."""
        if self._expected is None:
            return True
        scheme, _, given = (header or "").partition(" ")
        try:
            sent = base64.b64decode(given, validate=True)
        except ValueError:
            sent = b""
        same = hmac.compare_digest(sent, self._expected)
        return same and scheme.lower() == "basic"


class RateLimit:
    """A bucket of tokens for each client: full after a minute, one is taken by each request."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def wait_seconds(self, client: str) -> float:
        """Take a token and return 0, or return how long it takes until there is one."""
        now, per_second = self._clock(), self._per_minute / 60
        client = _network_of(client)
        with self._guard:
            level, before = self._buckets.pop(client, (float(self._per_minute), now))
            level = min(self._per_minute, level + (now - before) * per_second)
            admitted = level >= 1
            self._buckets[client] = (level - 1 if admitted else level, now)
            if len(self._buckets) > CLIENTS:
                self._buckets.popitem(last=False)
        return 0 if admitted else (1 - level) / per_second


class Intake:
    """Reads the bodies of requests, and stops at those that would take too much memory."""

    def __init__(self, megabytes: int) -> None:
        self._limit = megabytes * MEGABYTE
        self._taken = 0
        self._small = ThreadPoolExecutor(SMALL_AT_ONCE, "premask-parse")
        self._large = ThreadPoolExecutor(1, "premask-parse-large")

    async def read(
        self, request: Request, parse: Callable[[bytes], Read], *, limit: int | None = None
    ) -> Read:
        """What `parse` makes of the body in a thread, while /health and others are answered."""
        body = await self.body_of(request, limit)
        self._taken += len(body)
        try:
            threads = self._small if len(body) <= SMALL_BYTES else self._large
            return await asyncio.get_running_loop().run_in_executor(threads, parse, body)
        finally:
            self._taken -= len(body)

    async def body_of(self, request: Request, limit: int | None = None) -> bytes:
        """The body; raises `TooLarge` or `TooMuchAtOnce` while it comes in, not only at its end."""
        announced = request.headers.get("content-length", "0")
        most = min(self._limit, limit or self._limit)
        if announced.isdecimal() and (len(announced) > _DIGITS or int(announced) > most):
            raise TooLarge
        chunks, size = [], 0
        try:
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                self._taken += len(chunk)
                if size > most:
                    raise TooLarge
                if self._taken > BODIES_AT_ONCE * self._limit:
                    raise TooMuchAtOnce
            return b"".join(chunks)
        finally:
            self._taken -= size


def _network_of(client: str) -> str:
    """What the rate limit takes for one client."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return client
    return str(ipaddress.ip_network((int(address), _IPV6_NETWORK), strict=False))


async def has_gone(request: Request) -> None:
    """Wait until the client hangs up. Call it after the body was read: both come by `receive`."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
