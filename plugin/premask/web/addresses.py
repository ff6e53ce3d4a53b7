"""http(s) addresses: which can be fetched, which server they name, how messages show them."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from premask.errors import UnreadableImage

PORTS = {"http": 80, "https": 443}
"""The ports that an address without one means."""


def require_fetchable(url: str, original: str) -> None:
    """Raise for what is no plain http(s) URL; `original` is the address for the message."""
    try:
        parts = urlsplit(url)
        server_of(parts)
    except ValueError as error:
        raise UnreadableImage(url_for_messages(original), f"{error}") from error
    if parts.username is not None or parts.password is not None:
        raise UnreadableImage(
            url_for_messages(original), "a URL with a user's name or password is not opened"
        )


def url_for_messages(url: str) -> str:
    """The URL for messages: without passwords, signatures and the bytes of inline images."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url.strip()[:80]
    if parts.scheme == "data":
        return url.strip()[:30] + "..."
    query = parts.query if parts.path.endswith("/data/local-files/") else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def server_of(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port, spelled so that they can be compared."""
    if parts.scheme not in PORTS:
        raise ValueError(
            f"'{parts.scheme}' addresses are not opened; http, https and Label Studio's are"
            if parts.scheme
            else "it has no http:// or https:// in front"
        )
    if not parts.hostname:
        raise ValueError("it names no host")
    host = parts.hostname.rstrip(".")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, host if host.isascii() else host.encode("idna").decode(), port


def quoted(url: str) -> str:
    """The URL with spaces and non-ASCII letters percent-encoded in its path and query."""
    head, slashes, tail = url.partition("://")
    if not slashes:
        return quote(url, safe="%/:?#[]@!$&'()*+,;=~")
    host, slash, path = tail.partition("/")
    return f"{head}://{host}{slash}" + quote(path, safe="%/:?#[]@!$&'()*+,;=~")
