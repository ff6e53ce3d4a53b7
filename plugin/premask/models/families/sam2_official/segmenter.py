"""SAM 2 by its authors' package: outlines from clicks, boxes or masks, through clips, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from premask.images import Image
from premask.masks import Size
from premask.models.families.sam2_official.checkpoint import read_model
from premask.models.families.sam2_official.memory import Sam2OfficialMemory
from premask.models.parts.imagenet import DEVIATION, MEAN
from premask.models.parts.mask_logits import Canvas
from premask.models.parts.promptable import Decoded, Tensors
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.parts.torch_runtime import device_of, dtype_on

BOX_CORNERS = (2, 3)
"""SAM 2 takes a box as two points; these labels mark its first and its second corner."""


def sam2_official_segmenter(*, weights: Path, device: str) -> PromptableTracker:
    """The adapter; `weights` is a .pt file, such as one that somebody fine-tuned.

    A model of none of the released sizes needs its configuration beside it: a .yaml of that name.
    """
    network = Sam2OfficialNetwork(read_model(weights), device_of(device))
    return PromptableTracker(network, network.memory)


class Sam2OfficialNetwork:
    """Calls the model as the authors' SAM2ImagePredictor does, but keeps nothing of an image."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.device = device
        self._model = model.to(device)
        self.encoder: torch.nn.Module = model.image_encoder
        self._dtype = dtype_on(device)
        self.low_side: int = model.sam_prompt_encoder.mask_input_size[0]
        # What runs once an image is in half floats; the prompt encoder is not (`load_promptable`).
        decoder = model.sam_mask_decoder
        for part in (model.image_encoder, decoder.conv_s0, decoder.conv_s1):
            part.to(self._dtype)

    def memory(self) -> Sam2OfficialMemory:
        """The part of the same model that follows objects."""
        return Sam2OfficialMemory(self._model, self.device)

    def canvas(self, size_hw: Size) -> Canvas:
        """The image is stretched to the whole square."""
        return Canvas(side=self._model.image_size, size_hw=size_hw)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return torch.cat([self._normalized(image) for image in images]).to(self._dtype)

    def encode(self, pixels: torch.Tensor) -> Tensors:
        """The feature maps, the finest first; a tracker starts from them, too."""
        maps = self._model.forward_image(pixels)["backbone_fpn"]
        return {str(level): features.to(self._dtype) for level, features in enumerate(maps)}

    def decode(
        self, features: Tensors, prompts: Tensors, multimask: bool, options: object
    ) -> Decoded:
        shape = next(iter(prompts.values())).shape[:2]
        encoder = self._model.sam_prompt_encoder
        points, rough = _points(prompts), prompts.get("input_masks")
        sparse, dense = encoder(points=points, boxes=None, masks=rough)
        *fine, coarse = (features[level] for level in sorted(features))
        # To the video model, this vector says that no other frames are remembered.
        if self._model.directly_add_no_mem_embed:
            coarse = coarse + self._model.no_mem_embed.view(1, -1, 1, 1)
        logits, scores, *_ = self._model.sam_mask_decoder(
            image_embeddings=coarse,
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=len(coarse) < len(sparse),
            high_res_features=fine,
        )
        return logits.unflatten(0, shape), scores.unflatten(0, shape)

    def _normalized(self, image: Image) -> torch.Tensor:
        # The steps of sam2.utils.transforms.
        square = (self._model.image_size,) * 2
        rgb = torch.tensor(image.rgb, device=self.device).permute(2, 0, 1)[None] / 255
        rgb = F.interpolate(rgb, square, mode="bilinear", antialias=True)
        mean, deviation = (rgb.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        return (rgb - mean) / deviation


def _points(prompts: Tensors) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Points (n, k, 2) and labels (n, k) of n objects; a box is two more points, the first ones."""
    places, labels = [], []
    if "input_boxes" in prompts:
        places.append(prompts["input_boxes"].flatten(0, 1).unflatten(1, (2, 2)))
        labels.append(torch.tensor([BOX_CORNERS] * len(places[0]), device=places[0].device))
    if "input_points" in prompts:
        places.append(prompts["input_points"].flatten(0, 1))
        labels.append(prompts["input_labels"].flatten(0, 1))
    return (torch.cat(places, dim=1), torch.cat(labels, dim=1)) if places else None
