"""Errors as the reason phrase of a response, the only part of an error that Label Studio keeps."""

from __future__ import annotations

import re
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REASON_HEADER = "x-premask-reason"
"""The header in which the application hands the phrase to the protocol below: ASGI has no place for
it, and uvicorn always sends the standard phrase of a status."""

LONGEST = 300

_STATUS_LINE = re.compile(rb"(HTTP/1\.1 \d{3} )[^\r]*")
_HEADER = re.compile(rb"\r\n" + REASON_HEADER.encode() + rb": ([^\r]*)")


def reason_phrase(text: str) -> str:
    """The text on one line of printable ASCII, which is all that HTTP allows."""
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(character for character in line if character.isprintable())[:LONGEST]


def with_reason(data: bytes) -> bytes:
    """The bytes of a response, with the phrase of its header in the first line.

    Bytes that are not the head of a response, or have no such header, are returned as they are.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    said = _HEADER.search(head) if _STATUS_LINE.match(head) else None
    if said is None:
        return data
    # A function, because in a replacement text a backslash would be an escape.
    return _STATUS_LINE.sub(lambda line: line[1] + said[1], head, count=1) + end + body


class ReasonProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with the reason phrases of the application."""

    def connection_made(self, transport: Any) -> None:
        # uvicorn wants an asyncio.Transport; this one passes everything on to such a transport.
        super().connection_made(_ReasonTransport(transport))  # type: ignore[arg-type]


class _ReasonTransport:
    """Passes everything on to another transport, and rewrites the heads of responses."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._transport.write(with_reason(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
