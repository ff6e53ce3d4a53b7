"""SegFormer (Xie 2021): a class for every pixel, of clothes, of faces, or of a whole scene."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

from premask.images import Image
from premask.masks import Size
from premask.models.options import SegformerOptions
from premask.models.parts.categories import wanted_classes
from premask.models.parts.class_maps import Numbers, class_hints, class_map
from premask.models.parts.torch_runtime import (
    FittingSizes,
    device_of,
    half_arithmetic,
    images_that_fit,
    in_alike_batches,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Hint, Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """An image as the network sees it (1, 3, h, w), and its own size."""

    pixels: torch.Tensor
    size_hw: Size


class SegformerFinder:
    """Finds classes with their masks, no two of which overlap; it gives no scores."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(SegformerImageProcessor, weights)
        self._model = load_strictly(
            SegformerForSemanticSegmentation, weights, device=self._device, dtype=torch.float32
        )
        self._at_once = images_that_fit(self._device, 700)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: SegformerOptions
    ) -> list[list[Hint]]:
        """The wanted classes in each image, in the model's order; prompts change nothing."""
        names = self._model.config.id2label
        wanted = wanted_classes(options.categories, names)
        looks = [
            _Look(
                pixels=network_input(self._processor, image, self._device)["pixel_values"],
                size_hw=image.size_hw,
            )
            for image in images
        ]
        maps = in_alike_batches(
            self._maps, looks, self._at_once, lambda look: look.pixels.shape, self._fitting
        )
        to_hints = partial(class_hints, names=names, wanted=wanted, instances=options.instances)
        return [to_hints(numbers) for numbers in maps]

    def _maps(self, looks: Sequence[_Look]) -> list[Numbers]:
        """The class of each pixel (height, width) of each image."""
        pixels = torch.cat([look.pixels for look in looks])
        with self._lock, torch.inference_mode(), half_arithmetic(self._device):
            logits = self._model(pixel_values=pixels).logits
        return [class_map(scores, look.size_hw) for scores, look in zip(logits, looks, strict=True)]
