"""Models by name: loaded at first use, once, and shared by every thread until they are freed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from premask.errors import InvalidSetting, MissingWeights
from premask.images import Image
from premask.models.capabilities import (
    EmbeddedFinder,
    Embedder,
    Finder,
    Matter,
    PhraseTracker,
    Placed,
    Segmenter,
    Tracker,
)
from premask.models.catalog import Checkpoint, checkpoint_of
from premask.models.embedding_store import EmbeddingStore
from premask.models.embeddings import EmbeddingCache
from premask.models.registry import build
from premask.models.weights.installed import installed_weights, weights_identity
from premask.models.weights.kinds import HubWeights
from premask.prompts import Hint, Prompts
from premask.version import __version__


def make_pool(
    *, device: str = "auto", store_folder: Path | None = None, store_bytes: int = 0
) -> ModelPool:
    """A pool on this device; if a folder is given, it keeps so many bytes of embeddings there."""
    store = None
    if store_folder is not None:
        store = EmbeddingStore(store_folder, limit_bytes=store_bytes)
    return ModelPool(device=device, embeddings=EmbeddingCache(store=store))


class ModelPool:
    """The loaded models of one process or one face. There is no global one."""

    def __init__(self, *, device: str = "auto", embeddings: EmbeddingCache | None = None) -> None:
        self.device = device
        self.embeddings = embeddings or EmbeddingCache()
        self._models: dict[str, object] = {}
        self._identities: dict[str, str] = {}
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def load(self, name: str) -> object:
        """The model of this name; whoever comes while it loads waits for it.

        What it can do is told by `finder`, `segmenter`, `matter` and `tracker`, which load it, too.
        """
        with self._guard:
            loading = self._loading[name]
        with loading:
            if name not in self._models:
                checkpoint = checkpoint_of(name)
                weights = installed_weights(checkpoint)
                identity = weights_identity(checkpoint)
                model = build(checkpoint.family, weights, self.device)
                if weights_identity(checkpoint) != identity:
                    raise MissingWeights(
                        f"The weights of '{name}' changed while they were loaded. Load them again "
                        "when they are complete."
                    )
                self._identities[name] = _model_key(checkpoint, identity, model)
                self._models[name] = model
            return self._models[name]

    def finder(self, name: str) -> Finder:
        """The model of this name as one that finds; images it has embedded are not embedded again.

        It is asked about images, whether or not the model itself wants embeddings.
        """
        model = self.load(name)
        if isinstance(model, EmbeddedFinder):
            return _EmbeddingFinder(model, name, self)
        if isinstance(model, Finder):
            return model
        raise _unable(name, "find")

    def segmenter(self, name: str) -> Segmenter:
        """The model of this name as one that outlines what `embed` has seen."""
        model = self.load(name)
        if isinstance(model, Segmenter):
            return model
        raise _unable(name, "outline")

    def matter(self, name: str) -> Matter:
        """The model of this name as one that mattes."""
        model = self.load(name)
        if isinstance(model, Matter):
            return model
        raise _unable(name, "matte")

    def tracker(self, name: str) -> Tracker | PhraseTracker:
        """The model of this name as one that follows objects through frames, shown by `embed`."""
        model = self.load(name)
        if isinstance(model, (Tracker, PhraseTracker)):
            return model
        raise _unable(name, "track")

    def embed(
        self, name: str, images: Sequence[Image], *, must_be_stored: bool = False
    ) -> list[Any]:
        """What the model of this name remembers of each image; made only if nobody has it.

        A store that can't be written is an error only if the embeddings `must_be_stored`.
        """
        model = self.load(name)
        if not isinstance(model, Embedder):
            raise _unable(name, "embed")
        return self.embeddings.embed(
            self._identities[name], model, images, must_be_stored=must_be_stored
        )

    def is_stored(self, name: str, image: Image) -> bool:
        """Whether the store on disk has what the model remembers of the image."""
        self.load(name)
        return self.embeddings.is_stored(self._identities[name], image)

    def free(self) -> None:
        """Let go of all models and what they remember; whoever needs one loads it anew."""
        with self._guard:
            self._models.clear()
        self.embeddings.clear()


class _EmbeddingFinder:
    """A model that finds in embeddings, asked about images."""

    def __init__(self, model: EmbeddedFinder, name: str, pool: ModelPool) -> None:
        self._model, self._name, self._pool = model, name, pool

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: Any
    ) -> Sequence[Sequence[Hint]]:
        return self._model.find(self._pool.embed(self._name, images), prompts, options)


def _model_key(checkpoint: Checkpoint, weights: str, model: object) -> str:
    """All that an embedding depends on besides the image. The model's name is none of it.

    Another version of premask may prepare images differently.
    """
    source = checkpoint.weights
    # One commit of a repository may hold several models, each in a file of its own.
    file = (source.file, source.pickled) if isinstance(source, HubWeights) else ()
    place = model.place if isinstance(model, Placed) else ""
    return repr((__version__, checkpoint.family, weights, file, place))


def _unable(name: str, verb: str) -> InvalidSetting:
    return InvalidSetting(
        f"The model '{name}' can't {verb}. See what it can do with: premask models show {name}"
    )
