"""Embeddings: made once an image, kept in memory within bounds, and on disk if asked."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from premask.images import Image, digest_of
from premask.models.capabilities import Embedder, Movable, Restorer, Reusable
from premask.models.embedding_store import EmbeddingStore

MEMORY_BYTES = 2**30
"""By default: about sixty images of SAM 2."""

HOST_BYTES = 4 * 2**30
"""By default, for what a GPU has no room for any more."""


class EmbeddingCache:
    """Embeddings by model and image. Whoever asks for one that is being made waits for it."""

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        host_bytes: int = HOST_BYTES,
        store: EmbeddingStore | None = None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._host_bytes = host_bytes
        self._store = store
        self._kept: OrderedDict[str, Reusable] = OrderedDict()
        self._spilled: OrderedDict[str, Movable] = OrderedDict()
        self._under_way: dict[str, Future[Any]] = {}
        self._guard = threading.Lock()
        self._has_warned = False

    @property
    def nbytes(self) -> int:
        """The memory that is taken now, where the models are."""
        with self._guard:
            return _total(self._kept)

    def embed(
        self,
        model_key: str,
        model: Embedder,
        images: Sequence[Image],
        *,
        must_be_stored: bool = False,
    ) -> list[Any]:
        """The embedding of each image; `model_key` changes when the model's weights do.

        A store that can't be written is no reason to fail, unless the embeddings `must_be_stored`.
        """
        keys = [_key(model_key, image) for image in images]
        futures, mine = self._claimed(dict(zip(keys, images, strict=True)))
        fresh = self._make(model, mine) if mine else []
        embeddings = {key: futures[key].result() for key in keys}
        if must_be_stored:
            # What was in memory already may never have reached the disk.
            lacking = [key for key in keys if self._store is not None and key not in self._store]
            self._store_away({key: embeddings[key] for key in (*fresh, *lacking)})
        else:
            self._store_if_possible({key: embeddings[key] for key in fresh})
        return [embeddings[key] for key in keys]

    def is_stored(self, model_key: str, image: Image) -> bool:
        """Whether the store on disk has the embedding."""
        return self._store is not None and _key(model_key, image) in self._store

    def clear(self) -> None:
        """Let go of what is in memory."""
        with self._guard:
            self._kept.clear()
            self._spilled.clear()

    def _claimed(
        self, images: dict[str, Image]
    ) -> tuple[dict[str, Future[Any]], dict[str, tuple[Image, Future[Any]]]]:
        """A future for each key, and those that the caller has to fulfil, with their images."""
        futures: dict[str, Future[Any]] = {}
        mine: dict[str, tuple[Image, Future[Any]]] = {}
        with self._guard:
            for key, image in images.items():
                remembered = self._recalled(key)
                if remembered is not None:
                    futures[key] = Future()
                    futures[key].set_result(remembered)
                elif key in self._under_way:
                    futures[key] = self._under_way[key]
                else:
                    futures[key] = self._under_way[key] = Future()
                    mine[key] = image, futures[key]
        return futures, mine

    def _make(self, model: Embedder, mine: dict[str, tuple[Image, Future[Any]]]) -> list[str]:
        """Fulfil the futures: from the disk, or by one call of the model, for the keys returned."""
        try:
            made = {key: self._restored(key, model) for key in mine}
            missing = [key for key, embedding in made.items() if embedding is None]
            fresh = model.embed([mine[key][0] for key in missing]) if missing else ()
            made.update(zip(missing, fresh, strict=True))
        except BaseException as error:
            self._forget(mine)
            for _, future in mine.values():
                future.set_exception(error)
            raise
        for key, embedding in made.items():
            self._keep(key, embedding)
            mine[key][1].set_result(embedding)
        return missing

    def _restored(self, key: str, model: Embedder) -> Reusable | None:
        if self._store is None or not isinstance(model, Restorer):
            return None
        try:
            return self._store.get(key, model.restore)
        # Whatever is wrong with the store, the model can look again.
        except Exception:
            return None

    def _store_away(self, embeddings: Mapping[str, Any]) -> None:
        """Put them into the store; `UnwritableOutput` where that can't be."""
        for key, embedding in embeddings.items():
            if self._store is not None and isinstance(embedding, Reusable):
                self._store.put(key, embedding.to_bytes())

    def _store_if_possible(self, embeddings: Mapping[str, Any]) -> None:
        """The same, but what prevents it is said once, and stops nothing."""
        try:
            self._store_away(embeddings)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"What models remember of images is not kept on disk: {error}",
                    RuntimeWarning,
                    stacklevel=3,
                )

    def _recalled(self, key: str) -> Reusable | None:
        """What is in memory, which counts as used now; None where nothing is."""
        if key in self._spilled:
            embedding = self._spilled.pop(key).back()
            self._put(key, embedding)
            return embedding
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: str, embedding: Any) -> None:
        """Keep it in memory, if it can be kept at all."""
        with self._guard:
            self._under_way.pop(key, None)
            if isinstance(embedding, Reusable):
                self._put(key, embedding)

    def _put(self, key: str, embedding: Reusable) -> None:
        """Those that were asked for longest ago make room: a GPU's wait on the host, others go."""
        self._kept[key] = embedding
        while _total(self._kept) > self._memory_bytes:
            oldest, leaving = self._kept.popitem(last=False)
            if isinstance(leaving, Movable) and leaving.is_on_gpu:
                self._spilled[oldest] = leaving.on_host()
        while _total(self._spilled) > self._host_bytes:
            self._spilled.popitem(last=False)

    def _forget(self, keys: Iterable[str]) -> None:
        with self._guard:
            for key in keys:
                self._under_way.pop(key, None)


def _total(embeddings: Mapping[str, Reusable]) -> int:
    return sum(embedding.nbytes for embedding in embeddings.values())


def _key(model_key: str, image: Image) -> str:
    return digest_of(repr((model_key, image.identity)).encode())
