"""What models can do, as protocols: one for each stage that they answer. All take batches.

An adapter implements one or more; conformance.py is where mypy compares it with them. It is called
from several threads at once: it keeps nothing of one image on itself, and holds its own lock around
whatever its library can't do twice at a time. `options` is the family's own settings dataclass for
the stage, see options.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from premask.images import Image
from premask.masks import Alpha, Mask, Size
from premask.prompts import Hint, Phrase, Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The shape of one hinted object, and how sure the model is of it (0 to 1, or None)."""

    mask: Mask
    score: float | None = None


@runtime_checkable
class Finder(Protocol):
    """Finds objects in images. Where the model outlines them at once, the hints have masks."""

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: Any
    ) -> Sequence[Sequence[Hint]]:
        """The objects of each image."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Looks at an image once, and answers any number of questions from what it saw."""

    def embed(self, images: Sequence[Image]) -> Sequence[Any]:
        """One embedding for each image; those that are `Reusable` can be kept."""
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
class Movable(Reusable, Protocol):
    """An embedding on a GPU, which can wait in the machine's own memory for its next use."""

    @property
    def is_on_gpu(self) -> bool:
        """Whether it takes the memory of a GPU."""
        ...

    def on_host(self) -> Movable:
        """The same in the machine's memory; it knows where it came from."""
        ...

    def back(self) -> Movable:
        """The same where it came from."""
        ...


@runtime_checkable
class Restorer(Embedder, Protocol):
    """An embedder whose embeddings can be kept on disk."""

    def restore(self, data: bytes) -> Reusable:
        """The embedding that `to_bytes` wrote; raises ValueError for other bytes."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A model whose embeddings depend on where it computes."""

    @property
    def place(self) -> str:
        """The kind of device and of numbers, such as "cuda torch.bfloat16"."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A model that takes several images together: how many depends on the device's memory."""

    @property
    def images_at_once(self) -> int:
        """How many it takes together."""
        ...


@runtime_checkable
class Compilable(Protocol):
    """A model whose network, or what it sees images with, torch can compile."""

    def compile(self) -> bool:
        """Compile it at its first use; False where that has no effect."""
        ...


@runtime_checkable
class EmbeddedFinder(Embedder, Protocol):
    """A finder that is asked about embeddings, so that many questions cost one look at an image."""

    def find(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompts], options: Any
    ) -> Sequence[Sequence[Hint]]:
        """The objects of each image."""
        ...


@runtime_checkable
class Segmenter(Embedder, Protocol):
    """Outlines hinted objects; one embedding of an image serves any number of `segment` calls."""

    def segment(
        self, embeddings: Sequence[Any], hints: Sequence[Sequence[Hint]], options: Any
    ) -> Sequence[Sequence[Outline]]:
        """One outline for each hint of each image, in order."""
        ...


@runtime_checkable
class Matter(Protocol):
    """Says how opaque each pixel of an object is."""

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: Any
    ) -> Sequence[Alpha]:
        """Alpha (height, width) of each image; a mask says roughly where, None: the subject."""
        ...


@runtime_checkable
class Tracking(Protocol):
    """One pass over one clip: it is shown frame after frame, and says where each object is.

    What it remembers does not grow with the length of the clip.
    """

    def step(
        self, frame: int, embedding: Any, pointed_at: Mapping[int, Hint]
    ) -> Mapping[int, Outline]:
        """Where the objects are in the next frame; an object that can't be seen has an empty mask.

        `pointed_at` says where objects are in this frame, by their track: new ones, or known ones
        that are corrected. Frames may be numbered downwards, in a pass that goes backwards.
        """
        ...

    def end(self, track: int) -> None:
        """Don't follow this object any more."""
        ...

    def state(self) -> bytes:
        """All that it remembers, for the tracker's `resume`, which may be in another process."""
        ...


@runtime_checkable
class Tracker(Embedder, Protocol):
    """Follows objects that somebody pointed at; one embedding of a frame serves any number."""

    def begin(self, size_hw: Size, options: Any) -> Tracking:
        """A pass over a clip of this size that has seen nothing yet."""
        ...

    def resume(self, state: bytes, size_hw: Size, options: Any) -> Tracking:
        """A pass that goes on behind the frame at which its `state` was taken.

        Raises ValueError for other bytes.
        """
        ...


Sighting = tuple[int, Mapping[int, Hint]]
"""A frame, and what was seen in it: by its track, each with its label, score and mask."""


@runtime_checkable
class PhraseTracking(Protocol):
    """One pass over one clip that looks for phrases in every frame, and follows what it finds."""

    def step(self, frame: int, embedding: Any) -> Sequence[Sighting]:
        """What is certain now that this frame was seen: of frames before it, too, or of none yet.

        Frames come back in the order in which they were shown. Those that are held back are still
        to be judged by what comes behind them.
        """
        ...

    def finish(self) -> Sequence[Sighting]:
        """The frames that were held back, when there are no more to come."""
        ...

    def end(self, track: int) -> None:
        """Don't follow this object any more."""
        ...

    def state(self) -> bytes:
        """All that it remembers, for `resume_looking`, which may be in another process."""
        ...


@runtime_checkable
class PhraseTracker(Embedder, Protocol):
    """Finds all that phrases name in a clip, and follows it; one embedding serves all phrases."""

    def look_for(self, phrases: Sequence[Phrase], size_hw: Size, options: Any) -> PhraseTracking:
        """A pass over a clip of this size that has seen nothing yet."""
        ...

    def resume_looking(
        self, state: bytes, phrases: Sequence[Phrase], size_hw: Size, options: Any
    ) -> PhraseTracking:
        """A pass that goes on behind the frame at which its `state` was taken.

        Raises ValueError for other bytes.
        """
        ...
