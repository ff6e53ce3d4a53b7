"""HQ-SAM (Ke et al. 2023): SAM with a head that keeps thin structures and sharp edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import SamHQModel, SamImageProcessor

from premask.models.families.sam import SamNetwork
from premask.models.options import SamHqOptions
from premask.models.parts.promptable import Decoded, PromptableSegmenter, Tensors, load_promptable
from premask.models.parts.torch_runtime import device_of, load_processor


def sam_hq_segmenter(*, weights: Path, device: str) -> PromptableSegmenter:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_promptable(SamHQModel, weights, device_of(device))
    return PromptableSegmenter(SamHqNetwork(model, load_processor(SamImageProcessor, weights)))


class SamHqNetwork:
    """Like SAM's, but keeps an early feature map of the encoder, too, which has finer details."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        sam = SamNetwork(model, processor)
        self.device, self.low_side, self.encoder = sam.device, sam.low_side, sam.encoder
        self.canvas, self.pixels = sam.canvas, sam.pixels

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature map, and the first of the intermediate ones: the decoder uses no other."""
        image, intermediate = self._model.get_image_embeddings(pixels)
        return {"image": image, "intermediate": intermediate[0]}

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        """Logits (n, m, masks, h, w) and predicted IoUs (n, m, masks), the best ones first."""
        output = self._model(
            image_embeddings=features["image"],
            intermediate_embeddings=[features["intermediate"]],
            multimask_output=multimask,
            hq_token_only=isinstance(options, SamHqOptions) and options.hq_token_only,
            **prompts,
        )
        return output.pred_masks, output.iou_scores
