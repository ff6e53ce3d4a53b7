"""Models by name: loaded at first use, once, and shared by every thread until they are freed."""

from __future__ import annotations

import threading
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from premask.errors import InvalidSetting, MissingWeights
from premask.images import Image
from premask.models.capabilities import (
    Batching,
    Compilable,
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
    *,
    device: str = "auto",
    store_folder: Path | None = None,
    store_bytes: int = 0,
    memory_bytes: int | None = None,
    compiled: bool = False,
) -> ModelPool:
    """A pool on this device; if a folder is given, it keeps so many bytes of embeddings there."""
    store = None
    if store_folder is not None:
        store = EmbeddingStore(store_folder, limit_bytes=store_bytes)
    embeddings = EmbeddingCache(store=store)
    return ModelPool(
        device=device, embeddings=embeddings, memory_bytes=memory_bytes, compiled=compiled
    )


class ModelPool:
    """The loaded models of one process or one face. There is no global one.

    With `memory_bytes`, models that were used longest ago are let go of when the weights of all
    would be more, but never one that somebody is `using`. The one that is asked for is loaded in
    any case.

    With `compiled`, torch compiles what sees the image at its first use on a GPU. That takes a
    while, so it is for many images.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        embeddings: EmbeddingCache | None = None,
        memory_bytes: int | None = None,
        compiled: bool = False,
    ) -> None:
        self.device = device
        self._compiled = compiled
        self.memory_bytes = memory_bytes
        self.embeddings = embeddings or EmbeddingCache()
        self._models: OrderedDict[str, object] = OrderedDict()
        self._nbytes: dict[str, int] = {}
        self._identities: dict[str, str] = {}
        self._users: Counter[str] = Counter()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def load(self, name: str) -> object:
        """The model of this name; whoever comes while it loads waits for it.

        What it can do is told by `finder`, `segmenter`, `matter` and `tracker`, which load it, too.
        """
        with self._guard:
            loading = self._loading[name]
        with loading:
            with self._guard:
                if name in self._models:
                    self._models.move_to_end(name)
                    return self._models[name]
            model = self._built(name)
            with self._guard:
                self._models[name] = model
                self._make_room()
            return model

    def _built(self, name: str) -> object:
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
        self._nbytes[name] = 0 if weights is None else _bytes_of(weights)
        if self._compiled and not (isinstance(model, Compilable) and model.compile()):
            warnings.warn(
                f"Compiling has no effect on '{name}' here: only networks on a GPU are compiled, "
                "those of the SAMs, DETRs, BiRefNet, OWLv2 and Florence-2.",
                RuntimeWarning,
                stacklevel=2,
            )
        return model

    @contextmanager
    def using(self, names: Iterable[str]) -> Iterator[None]:
        """Let go of none of these models to make room while the block runs."""
        names = tuple(names)
        with self._guard:
            self._users.update(names)
        try:
            yield
        finally:
            with self._guard:
                self._users.subtract(names)
                self._make_room()

    def loaded_bytes(self) -> dict[str, int]:
        """How many bytes of weights each loaded model has, the one used longest ago first."""
        with self._guard:
            return {name: self._nbytes[name] for name in self._models}

    def identity(self, name: str) -> str:
        """What the weights are that were loaded last under this name; empty before that."""
        return self._identities.get(name, "")

    def _make_room(self) -> None:
        """Let go of the models that were used longest ago, but not of the last one."""
        if self.memory_bytes is None:
            return
        for name in list(self._models)[:-1]:
            if sum(self._nbytes[kept] for kept in self._models) <= self.memory_bytes:
                return
            if not self._users[name]:
                del self._models[name]

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

    def images_at_once(self, names: Iterable[str]) -> int:
        """How many images the model that takes the most of them takes together."""
        models = [self.load(name) for name in names]
        return max([1, *(model.images_at_once for model in models if isinstance(model, Batching))])

    def is_stored(self, name: str, image: Image) -> bool:
        """Whether the store on disk has what the model remembers of the image."""
        self.load(name)
        return self.embeddings.is_stored(self._identities[name], image)

    def unload(self, name: str) -> None:
        """Let go of one model; who has it still may go on with it, and who needs it loads it anew.

        What it remembers of images stays.
        """
        with self._guard:
            self._models.pop(name, None)

    def renewed(self, name: str) -> ModelPool:
        """A pool of the same models in which this one is loaded anew, if it is loaded at all.

        This pool stays as it is: who works with it goes on with what it has, and what is in neither
        pool is freed. If the new weights can't be loaded, that is raised, and nothing is lost.
        """
        other = ModelPool(
            device=self.device,
            embeddings=self.embeddings,
            memory_bytes=self.memory_bytes,
            compiled=self._compiled,
        )
        with self._guard:
            kept = [known for known in self._models if known != name]
            other._models.update((known, self._models[known]) for known in kept)
            other._nbytes.update((known, self._nbytes[known]) for known in kept)
            other._identities.update((known, self._identities[known]) for known in kept)
            is_loaded = name in self._models
        if is_loaded:
            other.load(name)
        return other

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


def _bytes_of(weights: Path) -> int:
    """How large a file of weights is, or all files of a folder."""
    files = weights.rglob("*") if weights.is_dir() else [weights]
    return sum(file.stat().st_size for file in files if file.is_file())


def _unable(name: str, verb: str) -> InvalidSetting:
    return InvalidSetting(
        f"The model '{name}' can't {verb}. See what it can do with: premask models show {name}"
    )
