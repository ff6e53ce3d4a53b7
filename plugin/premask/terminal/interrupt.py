"""Ctrl-C: the first one is a wish to stop soon, the second one an order to stop now."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping_on_ctrl_c(status: int) -> Iterator[threading.Event]:
    """Set the event at the first Ctrl-C, and say so at once; the second one ends the process.

    `status` is its exit status then. Everything that is kept is written whole or not at all, so
    that ending at once spoils nothing.
    """
    cancel = threading.Event()
    # Python lets only the main thread handle signals; elsewhere, a run can't be interrupted.
    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            # Threads that wait for a network can't be interrupted, and an exception waits for them.
            _say("stopped")
            os._exit(status)
        cancel.set()
        _say("stopping after the images under way; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


def _say(text: str) -> None:
    # The signal may come in the middle of a print, which must not be entered twice.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\npremask: {text}\n".encode())
