"""Models by name: loaded at first use, once, and shared by every thread until they are freed."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from premask.models.catalog import checkpoint_of
from premask.models.registry import build
from premask.models.weights import installed_weights


class ModelPool:
    """The loaded models of one process or one face. There is no global one."""

    def __init__(self, *, device: str = "cpu") -> None:
        self.device = device
        self._models: dict[str, Any] = {}
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def get(self, name: str) -> Any:
        """The model of this name; whoever comes while it loads waits for it."""
        with self._guard:
            loading = self._loading[name]
        with loading:
            if name not in self._models:
                checkpoint = checkpoint_of(name)
                weights = installed_weights(checkpoint)
                self._models[name] = build(checkpoint.family, weights, self.device)
            return self._models[name]

    def free(self) -> None:
        """Let go of all models; the next `get` loads anew."""
        with self._guard:
            self._models.clear()
