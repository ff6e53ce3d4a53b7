"""Loading models in a thread of its own, so that the server answers meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from premask.models.pool import ModelPool

log = logging.getLogger("premask.label_studio")


class ModelLoading:
    """Loads the models one after the other; `states` says in words how far each of them is."""

    def __init__(
        self, pool: ModelPool, models: Sequence[str], trouble: Callable[[str, str], object]
    ) -> None:
        self.states = dict.fromkeys(models, "waiting")
        self._pool = pool
        self._trouble = trouble
        self._thread = threading.Thread(target=self._load, name="premask-load", daemon=True)

    def start(self) -> None:
        """Begin. A prediction that needs a model before it is loaded waits for it."""
        self._thread.start()

    def _load(self) -> None:
        for model in self.states:
            self.states[model] = "loading"
            try:
                self._pool.load(model)
                self.states[model] = "ready"
                log.info("model %s is ready", model)
            # A library may raise anything. The next prediction tries again, and reports it, too.
            except Exception as error:
                self.states[model] = f"failed: {error}"
                log.error("model %s can't be loaded: %s", model, error)
                self._trouble(f"loading {model}", str(error))
