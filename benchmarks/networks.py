"""How long a torch network is at work while all else goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def share_of_time(network: Any, work: Callable[[], Any]) -> tuple[float, float]:
    """Which share of the work's time the network takes, and the seconds that it does not."""
    started: list[float] = []
    took: list[float] = []
    hooks = (
        network.register_forward_pre_hook(lambda *_: started.append(time.perf_counter())),
        network.register_forward_hook(lambda *_: took.append(time.perf_counter() - started.pop())),
    )
    start = time.perf_counter()
    work()
    whole = time.perf_counter() - start
    for hook in hooks:
        hook.remove()
    return sum(took) / whole, whole - sum(took)
