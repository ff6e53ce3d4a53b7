"""Find what phrases and exemplars ask for, with any network that can be asked in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

import torch

from premask.images import Image
from premask.models.parts.phrases import Finds, best_first
from premask.models.parts.torch_runtime import (
    FittingSizes,
    TorchEmbedding,
    compile_on_gpu,
    embedding_from_bytes,
    images_that_fit,
    in_alike_batches,
    in_batches,
    place_of,
)
from premask.prompts import Hint, Prompts

Seen = TypeVar("Seen")
Seen_contra = TypeVar("Seen_contra", contravariant=True)
Question = TypeVar("Question")
Answer = TypeVar("Answer")
Options = TypeVar("Options")
Options_contra = TypeVar("Options_contra", contravariant=True)

Tensors = dict[str, torch.Tensor]
Merge = Callable[[Sequence[Finds]], list[Hint]]

MEGABYTES = 2000
"""What an image takes in the largest encoder, that of SAM 3."""

AT_ONCE_ON_CPU = 8


class AskedNetwork(Protocol[Seen_contra, Question, Answer, Options_contra]):
    """What differs from family to family in asking about an image.

    A family decides what one question is: a phrase, all phrases, or as many as it can read at once.
    """

    @property
    def questions_at_once(self) -> int:
        """How many questions it answers in one batch."""
        ...

    def questions(
        self, seen: Seen_contra, prompts: Prompts, options: Options_contra
    ) -> Sequence[Question]:
        """All questions about one image; `UnsupportedPrompt` for prompts that it can't be asked."""
        ...

    def kind(self, question: Question) -> Hashable:
        """What questions must have in common to be answered in one batch without padding."""
        ...

    def ask(self, questions: Sequence[Question], options: Options_contra) -> Sequence[Answer]:
        """An answer to each of the questions, which are of one kind.

        Called without gradients, and by one thread at a time.
        """
        ...

    def read(self, question: Question, answer: Answer, options: Options_contra) -> Finds:
        """The objects in an answer. Called by several threads at once: the model is free again."""
        ...


class PhraseNetwork(AskedNetwork[TorchEmbedding, Question, Answer, Options_contra], Protocol):
    """A network that encodes an image before it is told what is asked."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    @property
    def encoder(self) -> torch.nn.Module:
        """The part that sees the image, and takes most of the time."""
        ...

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        """What it looks at (n, 3, h, w): resized, normalized, in its number type."""
        ...

    def encode(self, pixels: torch.Tensor) -> Sequence[Tensors]:
        """All that questions about each image need, by name. Called like `ask`."""
        ...


class PhraseFinder(Generic[Seen, Question, Answer, Options]):
    """Finds by asking a network in which words and image meet, so that nothing can be kept.

    `merge` makes one list of what the questions about an image have found.
    """

    def __init__(
        self, network: AskedNetwork[Seen, Question, Answer, Options], merge: Merge = best_first
    ) -> None:
        self._network = network
        self._merge = merge
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    def find(
        self, images: Sequence[Seen], prompts: Sequence[Prompts], options: Options
    ) -> list[list[Hint]]:
        """What the prompts ask for in each image, the best first."""
        found = _found(self._network, images, prompts, options, self._lock, self._fitting)
        return [self._merge(finds) for finds in found]


class EmbeddedPhraseFinder(Generic[Question, Answer, Options]):
    """Finds by asking a network that looks at each image once, whatever is asked later.

    `finish` is what a family does to the finds of an image at the very end.
    """

    def __init__(
        self,
        network: PhraseNetwork[Question, Answer, Options],
        finish: Callable[[list[Hint], Options], list[Hint]] = lambda hints, options: hints,
    ) -> None:
        self._network = network
        self._finish = finish
        on_cpu = network.device.type != "cuda"
        self._at_once = AT_ONCE_ON_CPU if on_cpu else images_that_fit(network.device, MEGABYTES)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def place(self) -> str:
        """The kind of device and of numbers in which images are encoded."""
        return place_of(self._network.device)

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def compile(self) -> bool:
        """Let torch compile the image encoder, if it is on a GPU."""
        return compile_on_gpu(self._network.encoder, self._network.device)

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """What the network remembers of each image, on its device."""
        return in_batches(self._embedded, images, self._at_once, self._fitting, "images")

    def restore(self, data: bytes) -> TorchEmbedding:
        """An embedding from its bytes; ValueError for bytes that are none."""
        return embedding_from_bytes(data, self._network.device)

    def find(
        self, embeddings: Sequence[TorchEmbedding], prompts: Sequence[Prompts], options: Options
    ) -> list[list[Hint]]:
        """What the prompts ask for in each image, the best first where there are scores."""
        found = _found(self._network, embeddings, prompts, options, self._lock, self._fitting)
        return [self._finish(best_first(finds), options) for finds in found]

    def _embedded(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        pixels = self._network.pixels(images)
        with self._lock, torch.inference_mode():
            features = self._network.encode(pixels)
        # Copies, as a view would keep its whole batch in memory.
        return [
            TorchEmbedding(
                size_hw=image.size_hw,
                tensors={name: values.clone() for name, values in of_one.items()},
            )
            for image, of_one in zip(images, features, strict=True)
        ]


def _found(
    network: AskedNetwork[Seen, Question, Answer, Options],
    seen: Sequence[Seen],
    prompts: Sequence[Prompts],
    options: Options,
    lock: threading.Lock,
    fitting: FittingSizes,
) -> list[list[Finds]]:
    """What each question finds in each image. Questions about all images share their batches."""
    questions = [
        network.questions(image, asked, options) for image, asked in zip(seen, prompts, strict=True)
    ]

    def answered(batch: Sequence[Question]) -> list[Finds]:
        with lock, torch.inference_mode():
            answers = network.ask(batch, options)
        # Masks take a while to be written down, and the next batch need not wait for that.
        return [
            network.read(question, answer, options)
            for question, answer in zip(batch, answers, strict=True)
        ]

    together = [question for of_one in questions for question in of_one]
    at_once = network.questions_at_once
    finds = iter(in_alike_batches(answered, together, at_once, network.kind, fitting))
    return [[next(finds) for _ in of_one] for of_one in questions]
