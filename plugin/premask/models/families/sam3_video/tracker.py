"""SAM 3 for clips (2025): finds all that phrases name in every frame, and follows it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3VideoModel, Sam3VideoProcessor
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput
from transformers.models.sam3_video import modeling_sam3_video

from premask.images import Image
from premask.masks import Size
from premask.models.families.sam3_video import kernels
from premask.models.families.sam3_video.looking import HIDDEN, PhraseLooking
from premask.models.options import Sam3VideoOptions
from premask.models.parts.promptable import MEGABYTES
from premask.models.parts.square_pixels import network_pixels
from premask.models.parts.torch_runtime import (
    FittingSizes,
    TorchEmbedding,
    device_of,
    dtype_on,
    embedding_from_bytes,
    images_that_fit,
    in_batches,
    load_processor,
    load_strictly,
    place_of,
)
from premask.prompts import Phrase

# It would download code for these two functions, or do without them if the package that downloads
# is not there.
modeling_sam3_video.cv_utils_kernel = kernels


def sam3_video_tracker(*, weights: Path, device: str) -> Sam3VideoTracker:
    """The adapter; `weights` is a folder of SAM 3 as published."""
    model = load_strictly(Sam3VideoModel, weights, device=device_of(device), dtype=torch.float32)
    model.detector_model.vision_encoder.backbone.to(dtype_on(model.device))
    return Sam3VideoTracker(model, load_processor(Sam3VideoProcessor, weights))


class Sam3VideoTracker:
    """A frame is remembered as the encoder's last layer; both necks go on from there."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self._encoder = model.detector_model.vision_encoder
        self._lock = threading.Lock()
        self._fitting = FittingSizes()
        # The model calls this for each frame of its session, and the frames are hidden states.
        model.detector_model.get_vision_features = partial(_features, self._encoder)

    @property
    def place(self) -> str:
        """The kind of device and of numbers in which images are encoded."""
        return place_of(self._model.device)

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """What the encoder saw of each frame."""
        at_once = images_that_fit(self._model.device, MEGABYTES)
        return in_batches(self._embedded, images, at_once, self._fitting)

    def restore(self, data: bytes) -> TorchEmbedding:
        """An embedding from its bytes; ValueError for bytes that are none."""
        return embedding_from_bytes(data, self._model.device)

    def look_for(
        self, phrases: Sequence[Phrase], size_hw: Size, options: Sam3VideoOptions
    ) -> PhraseLooking:
        """A pass over a clip of this size."""
        return PhraseLooking(self._model, self._processor, self._lock, phrases, size_hw, options)

    def resume_looking(
        self, state: bytes, phrases: Sequence[Phrase], size_hw: Size, options: Sam3VideoOptions
    ) -> PhraseLooking:
        """A pass that goes on behind the frame at which its `state` was taken."""
        looking = self.look_for(phrases, size_hw, options)
        looking.restore(state)
        return looking

    def _embedded(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        pixels = network_pixels(self._processor.image_processor, images, self._encoder)
        backbone = self._encoder.backbone
        with self._lock, torch.inference_mode():
            hidden = backbone(pixels.to(backbone.dtype)).last_hidden_state
        return [
            TorchEmbedding(
                size_hw=image.size_hw, tensors={HIDDEN: hidden[index : index + 1].clone()}
            )
            for index, image in enumerate(images)
        ]


def _features(encoder: Any, pixel_values: torch.Tensor) -> Sam3VisionEncoderOutput:
    """What the encoder would go on to make of its last layer (1, h * w, d)."""
    side = encoder.config.backbone_config.image_size // encoder.config.backbone_config.patch_size
    hidden = pixel_values.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    maps, places = encoder.neck(hidden)
    return Sam3VisionEncoderOutput(
        last_hidden_state=pixel_values, fpn_hidden_states=maps, fpn_position_encoding=places
    )
