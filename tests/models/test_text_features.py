"""Texts are encoded once, and the memory that they take stays bounded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from premask.errors import UnsupportedPrompt
from premask.models.parts.text_features import TextFeatures


class Encoder:
    """Counts letters, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.batches.append(list(texts))
        if "" in texts:
            raise UnsupportedPrompt("A text without words.")
        return [len(text) for text in texts]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


def test_a_text_is_encoded_once_however_often_it_is_asked_for(encoder: Encoder) -> None:
    features = TextFeatures(encoder, at_once=2)
    assert features.of(["cat", "horse", "cat", "ox"]) == [3, 5, 3, 2]
    assert features.of(["horse", "camel"]) == [5, 5]
    assert encoder.batches == [["cat", "horse"], ["ox"], ["camel"]]


def test_what_was_not_asked_for_in_a_long_time_is_forgotten(encoder: Encoder) -> None:
    features = TextFeatures(encoder, at_once=8, most=2)
    assert features.of(["cat", "horse", "ox"]) == [3, 5, 2]
    features.of(["horse"])
    features.of(["camel"])
    features.of(["horse", "ox"])
    assert encoder.batches == [["cat", "horse", "ox"], ["camel"], ["ox"]]


def test_what_can_not_be_encoded_is_not_kept(encoder: Encoder) -> None:
    features = TextFeatures(encoder, at_once=8)
    for _ in range(2):
        with pytest.raises(UnsupportedPrompt):
            features.of(["cat", ""])
    assert features.of(["cat"]) == [3]
