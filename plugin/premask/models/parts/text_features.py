"""What text encoders make of phrases, kept: the same few are asked of thousands of images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from premask.models.parts.torch_runtime import FittingSizes, in_batches

Features = TypeVar("Features")

KEPT_TEXTS = 1024
"""SAM 3, whose features are the largest, takes 32 MB for so many."""


class TextFeatures(Generic[Features]):
    """Encodes each text once, until it has not been asked for in a long time.

    It has no lock of its own: ask it where the model is used by one thread at a time.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Sequence[Features]],
        *,
        at_once: int,
        most: int = KEPT_TEXTS,
    ) -> None:
        self._encode = encode
        self._at_once = at_once
        self._fitting = FittingSizes()
        self._most = most
        self._kept: OrderedDict[str, Features] = OrderedDict()

    def of(self, texts: Sequence[str]) -> list[Features]:
        """The features of each text."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        made = in_batches(self._encode, missing, self._at_once, self._fitting)
        self._kept.update(zip(missing, made, strict=True))
        for text in texts:
            self._kept.move_to_end(text)
        features = [self._kept[text] for text in texts]
        # At the end, as more texts may be asked for at once than are kept.
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return features
