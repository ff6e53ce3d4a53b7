"""Mask2Former (Cheng 2022): classes, objects, or both, by transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

from premask.images import Image
from premask.masks import Mask
from premask.models.options import QuerySegmentationOptions
from premask.models.parts.class_maps import enlarged
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.off_device import on_host
from premask.models.parts.query_segmentation import (
    Answer,
    Look,
    QueryFinder,
    Segment,
    best_pairs,
    class_scores,
    confident,
    contested,
    mean_inside,
    whole_view,
)
from premask.models.parts.torch_runtime import (
    device_of,
    load_processor,
    load_strictly,
)

SWIN_DIFFERENCES = KnownDifferences(
    may_lack={
        r".*\.swin\.layernorm\.(weight|bias)": (
            "older files have none; what is read has passed the norm of its own stage instead"
        )
    },
    may_hold={
        r".*\.relative_position_index": (
            "older files write it down; it follows from the size of the windows"
        )
    },
)
"""Files of Mask2Former and OneFormer, both with a Swin, by transformers 4.26 to 5.0, and newer."""

# transformers (5.23) resizes all masks to this size before it makes segments of them.
MASK_SIDE = 384


def mask2former_finder(*, weights: Path, device: str) -> QueryFinder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(
        Mask2FormerForUniversalSegmentation,
        weights,
        device=device_of(device),
        known=SWIN_DIFFERENCES,
        dtype=torch.float32,
    )
    processor = load_processor(Mask2FormerImageProcessor, weights)
    return QueryFinder(Mask2FormerNetwork(model, processor))


class Mask2FormerNetwork:
    """Sees the image whole, and answers with masks of 384 x 384 pixels."""

    antialias = False

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.names: dict[int, str] = model.config.id2label

    def look(self, image: Image, options: QuerySegmentationOptions) -> Look:
        return whole_view(self._processor, image, self.device)

    def answer(
        self, views: torch.Tensor, options: QuerySegmentationOptions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of classes (n, q, c + 1) and of masks (n, q, 384, 384)."""
        output = self._model(pixel_values=views)
        masks = output.masks_queries_logits.float()
        masks = F.interpolate(masks, (MASK_SIDE, MASK_SIDE), mode="bilinear")
        return output.class_queries_logits, masks

    def class_scores(self, answer: Answer, look: Look) -> torch.Tensor:
        return class_scores(answer.classes[0], answer.masks[0])

    def instances(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        scores, numbers, masks = best_pairs(answer)
        scores = scores * mean_inside(masks)
        down, across = (_nearest(masks.shape[-1], side, masks.device) for side in look.size_hw)
        # All are small, and leave the device as they are; which are sure enough is seen behind it.
        sure, number, inside, rows, columns = on_host(scores, numbers, masks > 0, down, across)
        for index in np.flatnonzero(sure >= options.threshold):
            mask = Mask.from_array(inside[index][np.ix_(rows, columns)])
            if mask.area:
                yield Segment(number=int(number[index]), score=float(sure[index]), mask=mask)

    def panoptic(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        scores, numbers, masks = confident(answer, options.threshold)

        def strengths(index: int) -> torch.Tensor:
            return enlarged(masks[index].sigmoid(), look.size_hw) * scores[index]

        return contested(strengths, scores, numbers, options.visible)


def _nearest(side: int, length: int, device: torch.device) -> torch.Tensor:
    """Which of `side` pixels becomes each of `length` (n,), by the rounding of the library."""
    places = torch.arange(side, dtype=torch.float32, device=device)[None, None]
    return F.interpolate(places, length, mode="nearest")[0, 0].long()
