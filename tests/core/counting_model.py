"""A model that only counts, and photos for it: what is as bright as the upper left pixel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from premask.images import Image, Rgb
from premask.masks import Alpha, Mask
from premask.models.pool import ModelPool

WRONG = 13
"""The gray value on which the fake model fails."""


class FakeMatter:
    """Mattes what is as bright as the upper left pixel; fails on one kind of image."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[int] = []
        self.seconds = seconds

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: Any
    ) -> list[Alpha]:
        time.sleep(self.seconds)
        self.batches.append(len(images))
        if any(image.rgb[0, 0, 0] == WRONG for image in images):
            raise ValueError("unlucky")
        return [
            np.where(image.rgb[..., 0] == image.rgb[0, 0, 0], 255, 0).astype(np.uint8)
            for image in images
        ]


class FakePool(ModelPool):
    """Hands out the fake model, whatever the name."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def load(self, name: str) -> object:
        return self.model


def photo(value: int, size: int = 8) -> Rgb:
    rgb = np.zeros((size, size, 3), np.uint8)
    rgb[: value % size + 1] = value
    return rgb
