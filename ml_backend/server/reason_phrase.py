"""Errors as the reason phrase of a response, the only part of them that Label Studio shows."""

from __future__ import annotations

import re
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REASON_HEADER = "x-premask-reason"
"""Where the application says it: ASGI has no place for it, and uvicorn has its own phrases."""

LONGEST = 300

_STATUS_LINE = re.compile(rb"(HTTP/1\.1 \d{3} )[^\r]*")
_HEADER = re.compile(rb"\r\n" + REASON_HEADER.encode() + rb": ([^\r]*)")


def reason_phrase(text: str) -> str:
    """The text on one line of printable ASCII, which is all that HTTP allows."""
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(each for each in line if each.isprintable())[:LONGEST]


def with_reason(data: bytes) -> bytes:
    """The head of a response with the phrase in its first line; all other bytes as they are."""
    head, end, body = data.partition(b"\r\n\r\n")
    said = _HEADER.search(head) if _STATUS_LINE.match(head) else None
    if said is None:
        return data
    # A function, because in a template a backslash would mean something.
    return _STATUS_LINE.sub(lambda line: line[1] + said[1], head, count=1) + end + body


class ReasonProtocol(H11Protocol):
    """uvicorn's HTTP, but for the phrase."""

    def connection_made(self, transport: Any) -> None:
        """Let a transport of ours write to this one."""
        # By its methods it is one.
        super().connection_made(_ReasonTransport(transport))  # type: ignore[arg-type]


class _ReasonTransport:
    """Does all that another transport does; in heads of responses it says why."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._transport.write(with_reason(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
