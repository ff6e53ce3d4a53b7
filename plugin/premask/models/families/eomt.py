"""EoMT (Kerssies 2025): classes, objects, or both, by a plain vision transformer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import EomtForUniversalSegmentation, EomtImageProcessor
from transformers.image_transforms import get_size_with_aspect_ratio

from premask.errors import InvalidSetting
from premask.images import Image
from premask.masks import Size
from premask.models.options import QuerySegmentationOptions
from premask.models.parts.class_maps import enlarged
from premask.models.parts.off_device import crops_of, masks_on_host, on_host
from premask.models.parts.query_segmentation import (
    Answer,
    Look,
    QueryFinder,
    Segment,
    class_scores,
    confident,
    contested,
    mean_inside,
)
from premask.models.parts.torch_runtime import (
    device_of,
    load_processor,
    load_strictly,
    network_input,
)


def eomt_finder(*, weights: Path, device: str) -> QueryFinder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(
        EomtForUniversalSegmentation, weights, device=device_of(device), dtype=torch.float32
    )
    return QueryFinder(EomtNetwork(model, load_processor(EomtImageProcessor, weights)))


class EomtNetwork:
    """Sees the image in a padded square; checkpoints for classes alone, in squares side by side."""

    antialias = False

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self._side: int = processor.size["shortest_edge"]
        self.device: torch.device = model.device
        self.names: dict[int, str] = model.config.id2label

    def look(self, image: Image, options: QuerySegmentationOptions) -> Look:
        seen = network_input(self._processor, image, self.device)
        places = tuple(slice(*place.tolist()[1:]) for place in seen["patch_offsets"])
        if places and options.task != "semantic":
            raise InvalidSetting(
                "This checkpoint of EoMT was trained to tell classes only, not objects. Set task "
                f"to 'semantic' instead of '{options.task}', or use a panoptic checkpoint."
            )
        return Look(views=seen["pixel_values"], size_hw=image.size_hw, places=places)

    def answer(
        self, views: torch.Tensor, options: QuerySegmentationOptions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of classes (n, q, c + 1) and of masks (n, q, h, w) of the views' size."""
        output = self._model(pixel_values=views)
        masks = output.masks_queries_logits.float()
        return output.class_queries_logits, F.interpolate(masks, views.shape[2:], mode="bilinear")

    def class_scores(self, answer: Answer, look: Look) -> torch.Tensor:
        """What each class (c, h, w) scores at each place of the resized image."""
        height, width = self._resized(look.size_hw)
        views = [class_scores(*view) for view in zip(answer.classes, answer.masks, strict=True)]
        if not look.places:
            return views[0][:, :height, :width]
        total = views[0].new_zeros(len(views[0]), height, width)
        seen = views[0].new_zeros(height, width)
        for view, place in zip(views, look.places, strict=True):
            where = (..., place, slice(None)) if height > width else (..., place)
            total[where] += view
            seen[where] += 1
        return total / seen

    def instances(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        scores, numbers = answer.classes[0, :, :-1].max(dim=-1)
        sure, number = on_host(scores, numbers)
        kept = np.flatnonzero(sure >= options.threshold).tolist()
        inner = []

        def pixels(index: int) -> torch.Tensor:
            logits = self._at_full_size(answer.masks[0, index], look.size_hw)
            inner.append(scores[index] * mean_inside(logits[None])[0])
            return logits > 0

        masks = list(masks_on_host(crops_of(map(pixels, kept))))
        for index, mask, score in zip(kept, masks, map(float, on_host(*inner)), strict=True):
            if mask.area and score >= options.threshold:
                yield Segment(number=int(number[index]), score=score, mask=mask)

    def panoptic(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        scores, numbers, masks = confident(answer, options.threshold)

        def likely(index: int) -> torch.Tensor:
            return self._at_full_size(masks[index], look.size_hw).sigmoid()

        def strengths(index: int) -> torch.Tensor:
            return likely(index) * scores[index]

        return contested(strengths, scores, numbers, options.visible, own=likely)

    def _at_full_size(self, mask: torch.Tensor, size_hw: Size) -> torch.Tensor:
        """A mask (h, w) of the padded square as one of the image."""
        height, width = self._resized(size_hw)
        return enlarged(mask[:height, :width], size_hw)

    def _resized(self, size_hw: Size) -> Size:
        """Height and width that the image has in the network's squares."""
        longest = self._processor.size["longest_edge"]
        height, width = get_size_with_aspect_ratio(size_hw, self._side, longest)
        return height, width
