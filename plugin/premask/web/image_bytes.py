"""One image from an http(s) address: from allowed hosts, in bounded time, of bounded size."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin

from premask.errors import UnreadableImage
from premask.web.addresses import quoted, require_fetchable, url_for_messages
from premask.web.network import Network, Reply

REDIRECTS = 5
MAX_BYTES = 100_000_000
"""Larger images than this are not fetched: photos of 100 megapixels have 60 MB."""

_REDIRECTED = (301, 302, 303, 307, 308)
_OK = 200


def fetch_image(url: str, network: Network, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes behind an address, or `UnreadableImage` with the reason."""
    name, ends = url_for_messages(url), time.monotonic() + network.time_limits.total
    try:
        with followed(quoted(url.strip()), network, ends=ends) as reply:
            return b"".join(_checked(reply, max_bytes))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreadableImage(name, failure_in_words(error, network.time_limits.total)) from error


@contextmanager
def followed(
    address: str,
    network: Network,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    ends: float,
) -> Iterator[Reply]:
    """The answer at the end of all redirects; each address on the way is checked as the first."""
    name = url_for_messages(address)
    for _ in range(REDIRECTS + 1):
        require_fetchable(address, name)
        with network.exchange(address, method=method, headers=headers, ends=ends) as reply:
            if reply.status not in _REDIRECTED:
                yield reply
                return
            address = urljoin(address, reply.headers.get("Location", ""))
    raise UnreadableImage(name, f"its server redirects more than {REDIRECTS} times")


def _checked(reply: Reply, max_bytes: int) -> Iterator[bytes]:
    """The body; raises as soon as it is too large."""
    if reply.status != _OK:
        meaning = http.client.responses.get(reply.status, "")
        raise ValueError(f"its server answers {reply.status} {meaning}".rstrip())
    total = reply.length or 0
    if total <= max_bytes:
        total = 0
        for data in reply.body:
            total += len(data)
            if total > max_bytes:
                break
            yield data
    if total > max_bytes:
        raise ValueError(f"it is larger than {max_bytes / 1e6:g} MB")


def failure_in_words(error: Exception, seconds: float) -> str:
    """What went wrong, in words for people, and without addresses that may hold signatures."""
    if isinstance(error, TimeoutError):
        return f"its server is too slow: it took more than {seconds:g} s, or kept silent for long"
    if isinstance(error, http.client.HTTPException):
        return f"its server does not speak HTTP ({type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return f"its server can't be reached ({error.strerror.lower()})"
    return str(error)
