"""Which process a run works in, and whether it still lives."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

_SAME_START_SECONDS = 2.0
"""A process that started later than this has only been given the number of an ended one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process: the machine, its number there, and when it started, as numbers are used again."""

    machine: str
    number: int
    started: float

    def lives(self) -> bool | None:
        """Whether it still runs; None if it is on another machine."""
        if self.machine != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.number)
            is_same = abs(process.create_time() - self.started) < _SAME_START_SECONDS
            return is_same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def this_process() -> Worker:
    process = psutil.Process()
    return Worker(machine=socket.gethostname(), number=process.pid, started=process.create_time())
