"""SAM (Kirillov et al. 2023): an outline from clicks, boxes or a rough mask; or everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import SamImageProcessor, SamModel

from premask.images import Image
from premask.masks import Size
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import (
    Decoded,
    PromptableSegmenter,
    Tensors,
    load_promptable,
)
from premask.models.parts.square_pixels import network_pixels
from premask.models.parts.torch_runtime import device_of, load_processor


def sam_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_promptable(SamModel, weights, device_of(device))
    return PromptableSegmenter(SamNetwork(model, load_processor(SamImageProcessor, weights)))


class SamNetwork:
    """The image fills the upper left corner of the square, the rest is padding."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.encoder: torch.nn.Module = model.vision_encoder
        self.low_side: int = 4 * model.prompt_encoder.image_embedding_size[0]

    def canvas(self, size_hw: Size) -> Canvas:
        side = self._processor.size["longest_edge"]
        scale = side / max(size_hw)
        height, width = (int(length * scale + 0.5) for length in size_hw)
        return Canvas(side=side, size_hw=size_hw, covered_hw=(height, width))

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return network_pixels(self._processor, images, self._model.vision_encoder)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The one feature map."""
        return {"image": self._model.get_image_embeddings(pixels)}

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        output = self._model(
            image_embeddings=features["image"], multimask_output=multimask, **prompts
        )
        return output.pred_masks, output.iou_scores
