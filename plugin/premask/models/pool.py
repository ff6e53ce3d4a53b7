"""Models by name: loaded at first use, once, and shared by every thread until they are freed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from premask.images import Image
from premask.models.catalog import checkpoint_of
from premask.models.embeddings import EmbeddingCache
from premask.models.registry import build
from premask.models.weights.installed import installed_weights, weights_identity


class ModelPool:
    """The loaded models of one process or one face. There is no global one."""

    def __init__(self, *, device: str = "auto", embeddings: EmbeddingCache | None = None) -> None:
        self.device = device
        self.embeddings = embeddings or EmbeddingCache()
        self._models: dict[str, Any] = {}
        self._identities: dict[str, str] = {}
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
                self._identities[name] = f"{name} {weights_identity(checkpoint)}"
                self._models[name] = build(checkpoint.family, weights, self.device)
            return self._models[name]

    def embed(self, name: str, images: Sequence[Image]) -> list[Any]:
        """What the model of this name remembers of each image; made only if nobody has it."""
        model = self.get(name)
        return self.embeddings.embed(self._identities[name], model, images)

    def is_stored(self, name: str, image: Image) -> bool:
        """Whether the store on disk has what the model remembers of the image."""
        self.get(name)
        return self.embeddings.is_stored(self._identities[name], image)

    def free(self) -> None:
        """Let go of all models and what they remember; the next `get` loads anew."""
        with self._guard:
            self._models.clear()
        self.embeddings.clear()
