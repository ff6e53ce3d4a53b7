"""SAM 2 and 2.1 (Ravi et al. 2024): outlines from clicks, boxes or masks, through clips, too.

It also finds everything there is. EdgeTAM and the tracker of SAM 3 are asked in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Sam2ImageProcessor, Sam2Model, Sam2VideoModel

from premask.images import Image
from premask.masks import Size
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import (
    Decoded,
    Tensors,
    load_promptable,
)
from premask.models.parts.promptable_tracker import PromptableTracker, load_memory
from premask.models.parts.square_pixels import network_pixels
from premask.models.parts.torch_runtime import device_of, load_processor

DIFFERENCES = KnownDifferences(
    # transformers 4.57 held both names to be one tensor, and wrote it once.
    same_as={
        r"prompt_encoder\.shared_embedding\.positional_embedding": (
            "shared_image_embedding.positional_embedding"
        )
    }
)


def sam2_segmenter(*, weights: Path, device: str) -> PromptableTracker:
    """The adapter; `weights` is a folder as transformers writes it, of the image or video model.

    The weights of the video model's memory are left out, until a clip comes: transformers lists
    them by name.
    """
    model = load_promptable(Sam2Model, weights, device_of(device), DIFFERENCES)
    network = Sam2Network(model, load_processor(Sam2ImageProcessor, weights))
    return PromptableTracker(
        network, partial(load_memory, Sam2VideoModel, weights, model, DIFFERENCES)
    )


class Sam2Network:
    """The image is stretched to the whole square."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.encoder: torch.nn.Module = model.vision_encoder
        self.low_side: int = model.prompt_encoder.mask_input_size[0]
        self._sizes = model.backbone_feature_sizes
        # SAM 3's encoder makes a fourth, coarse map, which is not used. It is this one, and not
        # the coarsest of the others, to which transformers (5.24) adds what stands for no memory.
        levels = getattr(model.config.vision_config, "scale_factors", self._sizes)
        self._adds_no_memory = len(levels) == len(self._sizes)
        # These two run with the encoder, once an image.
        for convolution in (model.mask_decoder.conv_s0, model.mask_decoder.conv_s1):
            convolution.to(model.vision_encoder.dtype)

    def canvas(self, size_hw: Size) -> Canvas:
        return Canvas(side=self._processor.size["height"], size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return network_pixels(self._processor, images, self._model.vision_encoder)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature maps, the finest first; a tracker starts from them, too."""
        maps = self._model.get_image_features(pixels).fpn_hidden_states
        return {
            str(level): features.permute(1, 2, 0).unflatten(2, size_hw)
            for level, (features, size_hw) in enumerate(zip(maps, self._sizes, strict=False))
        }

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        maps = [features[level] for level in sorted(features)]
        if self._adds_no_memory:
            maps[-1] = maps[-1] + self._model.no_memory_embedding.view(1, -1, 1, 1)
        output = self._model(image_embeddings=maps, multimask_output=multimask, **prompts)
        return output.pred_masks, output.iou_scores
