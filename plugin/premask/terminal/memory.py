"""What a command holds of memory that nobody uses."""

from __future__ import annotations

import ctypes
import sys

_ARENA_MAX = -8
"""What glibc's malloc.h calls the setting M_ARENA_MAX."""

_ARENAS = 2


def share_arenas() -> None:
    """Let all threads free and take memory from the same few places, before there are any threads.

    glibc gives each thread an arena of its own. An image is decoded in one, matted in another and
    encoded in a third, and each keeps room for the largest that it has seen.
    """
    if sys.platform == "linux":
        # Other C libraries than glibc have no such function, and no arenas.
        tune = getattr(ctypes.CDLL(None), "mallopt", None)
        if tune is not None:
            tune(_ARENA_MAX, _ARENAS)
