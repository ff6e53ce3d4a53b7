"""SegFormer (Xie 2021): a class for every pixel: clothes, parts of faces, scenes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

from premask.images import Image
from premask.models.categories import wanted_classes
from premask.models.class_maps import class_hints, class_map
from premask.models.options import SegformerOptions
from premask.models.torch_runtime import (
    device_of,
    half_arithmetic,
    in_alike_batches,
    load_processor,
    load_strictly,
    prepared,
)
from premask.prompts import Hint, Prompts

AT_ONCE = 8


class SegformerFinder:
    """Finds classes with their masks, which never overlap; it gives no scores."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(SegformerImageProcessor, weights)
        self._model = load_strictly(
            SegformerForSemanticSegmentation, weights, device=self._device, dtype=torch.float32
        )
        self._lock = threading.Lock()

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: SegformerOptions
    ) -> list[list[Hint]]:
        """One hint a class that is there, in the classes' order; prompts change nothing."""
        names = self._model.config.id2label
        wanted = wanted_classes(options.categories, names)
        looks = [prepared(self._processor, image) for image in images]
        ...
