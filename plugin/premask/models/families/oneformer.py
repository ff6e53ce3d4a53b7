"""OneFormer (Jain 2023): classes, objects, or both, by one network that is told which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import OneFormerForUniversalSegmentation, OneFormerProcessor

from premask.images import Image
from premask.models.families.mask2former import SWIN_DIFFERENCES
from premask.models.options import QuerySegmentationOptions
from premask.models.parts.class_maps import enlarged
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.query_segmentation import (
    Answer,
    Look,
    QueryFinder,
    Segment,
    best_pairs,
    class_scores,
    confident,
    contested,
    whole_view,
)
from premask.models.parts.torch_runtime import (
    device_of,
    load_processor,
    load_strictly,
)

DIFFERENCES = KnownDifferences(
    may_lack=SWIN_DIFFERENCES.may_lack,
    may_hold={
        **SWIN_DIFFERENCES.may_hold,
        r"model\.text_mapper\..*": "reads the captions that it was trained with",
    },
)


def oneformer_finder(*, weights: Path, device: str) -> QueryFinder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(
        OneFormerForUniversalSegmentation,
        weights,
        device=device_of(device),
        known=DIFFERENCES,
        # If config.json says that the model is in training, transformers (5.23) drops activations
        # at random, even after `eval()`.
        is_training=False,
        dtype=torch.float32,
    )
    # The processor's settings name a file of classes, which transformers would download. Nothing
    # here reads it: the names of the classes are in config.json, too.
    processor = load_processor(OneFormerProcessor, weights, class_info_file=None)
    return QueryFinder(OneFormerNetwork(model, processor))


class OneFormerNetwork:
    """Sees the image whole, with a sentence that names the task."""

    antialias = True

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor.image_processor
        self._tokenizer = processor.tokenizer
        self.device: torch.device = model.device
        self.names: dict[int, str] = model.config.id2label

    def look(self, image: Image, options: QuerySegmentationOptions) -> Look:
        return whole_view(self._processor, image, self.device)

    def answer(
        self, views: torch.Tensor, options: QuerySegmentationOptions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        task = self._task(options.task).expand(len(views), -1)
        output = self._model(pixel_values=views, task_inputs=task)
        return output.class_queries_logits, output.masks_queries_logits

    def class_scores(self, answer: Answer, look: Look) -> torch.Tensor:
        return class_scores(answer.classes[0], answer.masks[0])

    def instances(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        """The objects. As in transformers (5.23), no two of them overlap: their logits decide."""
        scores, numbers, masks = best_pairs(answer)
        kept = (scores > options.threshold).nonzero()[:, 0]
        return _contested(scores[kept], numbers[kept], masks[kept], look, options)

    def panoptic(
        self, answer: Answer, look: Look, options: QuerySegmentationOptions
    ) -> Iterator[Segment]:
        scores, numbers, masks = confident(answer, options.threshold)
        return _contested(scores, numbers, masks.sigmoid(), look, options)

    def _task(self, name: str) -> torch.Tensor:
        """The sentence's token ids (1, length), with 0 where there is padding."""
        encoded = self._tokenizer(
            f"the task is {name}",
            padding="max_length",
            max_length=self._model.config.task_seq_len,
            truncation=True,
            return_tensors="pt",
        )
        ids: torch.Tensor = encoded["input_ids"] * encoded["attention_mask"]
        return ids.to(self.device)


def _contested(
    scores: torch.Tensor,
    numbers: torch.Tensor,
    masks: torch.Tensor,
    look: Look,
    options: QuerySegmentationOptions,
) -> Iterator[Segment]:
    def strengths(index: int) -> torch.Tensor:
        return enlarged(masks[index], look.size_hw, antialias=True) * scores[index]

    return contested(strengths, scores, numbers, options.visible)
