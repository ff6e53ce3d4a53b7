"""Loading models in a thread of its own, so that the server answers meanwhile."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from premask.models.pool import ModelPool

log = logging.getLogger("premask.label_studio")

FREED = "freed, and loaded again when it is needed"


class ModelLoading:
    """Loads models one after the other; `states` says in words how far each of them is.

    The server is ready when those are that it was started with. Others are `wanted` later, when a
    project that needs them is connected.
    """

    def __init__(
        self, pool: ModelPool, models: Sequence[str], trouble: Callable[[str, str], object]
    ) -> None:
        self.states = dict.fromkeys(models, "waiting")
        self._own = tuple(models)
        self._pool = pool
        self._trouble = trouble
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for model in models:
            self._waiting.put(model)
        self._thread = threading.Thread(target=self._load_all, name="premask-load", daemon=True)

    def start(self) -> None:
        """Begin. A prediction that needs a model before it is loaded waits for it."""
        self._thread.start()

    def want(self, models: Sequence[str]) -> None:
        """Load these, too, unless they were wanted before and there was no trouble."""
        for model in models:
            if self.states.get(model, "failed").startswith("failed"):
                self.states[model] = "waiting"
                self._waiting.put(model)

    def renewed(self, pool: ModelPool, model: str) -> None:
        """From now on load into this pool, in which the model has new weights."""
        self._pool = pool
        self.want([model])

    def of_the_server(self) -> tuple[str, ...]:
        """The states of the models that the server was started with."""
        return tuple(self.states[model] for model in self._own)

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """Each model, its state, and the memory that its weights take."""
        loaded, states = self._pool.loaded_bytes(), dict(self.states)
        for model in dict.fromkeys((*states, *loaded)):
            state = "ready" if model in loaded else states.get(model, FREED)
            taken = f"{loaded[model] / 1e6:,.0f} MB" if model in loaded else ""
            yield model, FREED if state == "ready" and not taken else state, taken

    def _load_all(self) -> None:
        while True:
            self._load(self._waiting.get())

    def _load(self, model: str) -> None:
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
