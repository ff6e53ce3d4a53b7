"""What a model can do, as protocols named after the stage that it answers. All are batch first.

An adapter implements one or more; conformance.py is where mypy compares it with them. It is called
from several threads at once: it keeps nothing of one image on itself, and holds its own lock around
whatever its library can't do twice at a time. `options` is the family's own settings dataclass for
the stage, see options.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from premask.images import Image
from premask.masks import Alpha, Mask
from premask.prompts import Hint, Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The shape of one hinted object, and how sure the model is of it (0 to 1, or None)."""

    mask: Mask
    score: float | None = None


@runtime_checkable
class Finder(Protocol):
    """Find: where is it? A model that outlines at once hands out hints that carry a mask."""

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: Any
    ) -> Sequence[Sequence[Hint]]:
        """The objects of each image."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Looks at an image once, whatever is asked of it later."""

    def embed(self, images: Sequence[Image]) -> Sequence[Any]:
        """What the model needs to know of each image; `Reusable` ones are kept."""
        ...


@runtime_checkable
class Reusable(Protocol):
    """An embedding that may outlive its call, in memory or on disk."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        ...

    def to_bytes(self) -> bytes:
        """What the `restore` of the model that made it reads back."""
        ...


@runtime_checkable
class Restorer(Embedder, Protocol):
    """An embedder whose embeddings can be kept on disk."""

    def restore(self, data: bytes) -> Reusable:
        """The embedding; raises ValueError for bytes that are none."""
        ...


@runtime_checkable
class EmbeddedFinder(Embedder, Protocol):
    """Find in what was embedded: any number of questions cost one look at the image."""

    def find(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompts], options: Any
    ) -> Sequence[Sequence[Hint]]:
        """The objects of each image."""
        ...


@runtime_checkable
class Segmenter(Embedder, Protocol):
    """Outline: what shape has it? One `embed` an image serves any number of `segment` calls."""

    def segment(
        self, embeddings: Sequence[Any], hints: Sequence[Sequence[Hint]], options: Any
    ) -> Sequence[Sequence[Outline]]:
        """One outline for each hint of each image, in order."""
        ...


@runtime_checkable
class Matter(Protocol):
    """Matte: how soft is the edge?"""

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: Any
    ) -> Sequence[Alpha]:
        """Alpha (height, width) of each image; a mask says roughly where, None: the subject."""
        ...
