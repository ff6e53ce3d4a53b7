"""Connections that are slow or too many are closed, so that they can't take the server's files."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from ml_backend.server.reason_phrase import ReasonProtocol

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from connecting, to the end of its head."""

SILENT_SECONDS, BODY_SECONDS = 20.0, 120.0
"""Between two pieces of a body, and for all of it; Label Studio waits no longer than 100 s."""

UNREAD_SECONDS = 30.0
"""How long a client may leave its answer unread."""

MOST_CONNECTIONS = 512

RESERVED_FILES = 200
"""For models, images that are fetched, journals, and connections that wait to be accepted."""

ACCEPTED_AT_ONCE = 16
"""How many connections asyncio accepts at one go. The server sees them some turns of the loop
later, and only then can close others, so this must be small beside `RESERVED_FILES`."""

QUEUED_CONNECTIONS = 1024
"""How many the system keeps until they are accepted."""

Phase = Literal["head", "body", "answer"]


def most_connections() -> int:
    """How many connections may be open: fewer where the system allows few open files."""
    try:
        import resource  # not on Windows
    except ImportError:
        return MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(16, files - RESERVED_FILES))


class BoundedConnection(ReasonProtocol):
    """One connection, with a clock for each phase of a request."""

    _phase: Phase = "answer"
    _began = 0.0
    _clock: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > most_connections():
            _close_longest_idle(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for clock in (self._clock, self._unread):
            if clock is not None:
                clock.cancel()

    def _watch(self) -> None:
        """Set the clock for the phase that the request is in now."""
        now, phase = self.loop.time(), self._current_phase()
        if phase != self._phase:
            self._phase, self._began = phase, now
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if phase != "answer" and not self.transport.is_closing():
            left = HEAD_SECONDS if phase == "head" else BODY_SECONDS
            left -= now - self._began
            wait = left if phase == "head" else min(left, SILENT_SECONDS)
            self._clock = self.loop.call_later(max(0.0, wait), self.transport.abort)

    def _current_phase(self) -> Phase:
        if self.cycle is None or self.cycle.response_complete:
            return "head"
        return "body" if self.cycle.more_body else "answer"


def _close_longest_idle(newest: BoundedConnection) -> None:
    """Make room for a new connection. Those that ask for nothing go first, the oldest of them."""
    known = [other for other in newest.connections if isinstance(other, BoundedConnection)]
    idle = [other for other in known if other._phase == "head"]
    sending = [other for other in known if other._phase == "body"]
    chosen = min(idle or sending or [newest], key=lambda other: other._began)
    # At once, and not when its end is noticed: more may come before, and must choose others.
    newest.connections.discard(chosen)
    chosen.transport.abort()
