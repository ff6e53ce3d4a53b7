"""Who may call: known names of this server, no other web pages, and who knows the secret."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

SECRET_HEADER = "x-premask-secret"

_PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".example")
"""Nobody can register a name with such an ending, so no stranger's name can lead to this server."""


def is_own_name(host: str, names: Sequence[str]) -> bool:
    """Whether a Host header names this server, and no page that pretends to be it.

    A page can let its own name lead to this machine, and would then read everything here as its
    own. That needs a name that it can register: not an address, a name without dots, or a name of
    private networks.

    >>> [is_own_name(host, ()) for host in ("localhost:9090", "[::1]", "backend", "evil.com")]
    [True, True, True, False]
    """
    name = _host_of(host)
    if not name or name in names:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_ENDINGS)
    return True


def is_cross_site(headers: Headers) -> bool:
    """Whether a browser sends this for another page. Other programs send neither header."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    # Without its scheme: behind a proxy that ends TLS, only the page's side says https.
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


class Secret:
    """The secret that events come with: in a header, or as a part of the path.

    As the first part it works with Label Studio's own webhook: whoever connects the backend as
    http://host:9090/SECRET gets events at /SECRET/webhook.
    """

    def __init__(self, secret: str) -> None:
        self._expected = secret.encode()

    def __bool__(self) -> bool:
        return bool(self._expected)

    def without(self, path: str) -> tuple[str, bool]:
        """The path without the secret, and whether it was there."""
        if not self._expected:
            return path, False
        parts = path.split("/")[:4]
        kept = [part for part in parts if not self._is(part)]
        if len(kept) == len(parts):
            return path, False
        return "/".join(kept) or "/", True

    def is_in(self, headers: Headers) -> bool:
        return bool(self._expected) and self._is(headers.get(SECRET_HEADER, ""))

    def _is(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._expected)


def _host_of(host: str) -> str:
    """The name or the address in a Host header, without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
    return name.rstrip(".")
