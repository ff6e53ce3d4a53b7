"""How many cores this process may use."""

from __future__ import annotations

import os

CORES = "PREMASK_CORES"
"""The variable that says so, where processes share a machine."""


def usable_cores() -> int:
    """The cores that the system gives this process, or fewer where `PREMASK_CORES` says so."""
    # A batch system may give a job four cores of a machine that has a hundred.
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = os.environ.get(CORES, "")
    return max(1, min(given or 1, int(told)) if told.isdecimal() else given or 1)
