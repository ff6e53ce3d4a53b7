"""SAM 2 and 2.1 (Ravi et al. 2024): an outline from clicks, boxes or a rough mask; or everything.

EdgeTAM and the tracker of SAM 3 are asked in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Sam2ImageProcessor, Sam2Model

from premask.images import Image
from premask.masks import Size
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import (
    Decoded,
    PromptableSegmenter,
    Tensors,
    load_promptable,
    network_pixels,
)
from premask.models.parts.torch_runtime import device_of, load_processor

DIFFERENCES = KnownDifferences(
    # transformers 4.57 held both names to be one tensor, and wrote it once.
    same_as={
        r"prompt_encoder\.shared_embedding\.positional_embedding": (
            "shared_image_embedding.positional_embedding"
        )
    }
)


def sam2_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a folder as transformers writes it, of the image or video model.

    The weights of the video model's memory are left out: transformers lists them by name.
    """
    model = load_promptable(Sam2Model, weights, device_of(device), DIFFERENCES)
    return PromptableSegmenter(Sam2Network(model, load_processor(Sam2ImageProcessor, weights)))


class Sam2Network:
    """The image is stretched to the whole square."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.low_side: int = model.prompt_encoder.mask_input_size[0]
        # These two run with the encoder, once an image.
        for convolution in (model.mask_decoder.conv_s0, model.mask_decoder.conv_s1):
            convolution.to(model.vision_encoder.dtype)

    def canvas(self, size_hw: Size) -> Canvas:
        return Canvas(side=self._processor.size["height"], size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return network_pixels(self._processor, images, self._model.vision_encoder)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature maps, the finest first."""
        maps = self._model.get_image_embeddings(pixels)
        return {str(level): features for level, features in enumerate(maps)}

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        maps = [features[level] for level in sorted(features)]
        output = self._model(image_embeddings=maps, multimask_output=multimask, **prompts)
        return output.pred_masks, output.iou_scores
