"""A line that is logged again and again is left out, and counted."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_SECONDS = 60.0
LINES = 10
"""How often the same line is logged in this time."""

REMEMBERED_LINES = 1_000
COMPARED_LETTERS = 200


class Repeats(logging.Filter):
    """A log filter: whoever can make the server complain can't fill the disk with complaints."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._guard = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, record.getMessage()[:COMPARED_LETTERS]), self._clock()
        with self._guard:
            began, count = self._seen.get(key, (now, 0))
            if now - began >= WINDOW_SECONDS:
                missed, began, count = max(0, count - LINES), now, 0
            else:
                missed = 0
            self._seen[key] = (began, count + 1)
            if len(self._seen) > REMEMBERED_LINES:
                self._seen.popitem(last=False)
        if missed:
            record.msg, record.args = f"{record.getMessage()} (and {missed} times more)", None
        if count == LINES - 1:
            record.msg = f"{record.getMessage()} (said no more for {WINDOW_SECONDS:g} s)"
            record.args = None
        return count < LINES
