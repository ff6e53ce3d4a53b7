"""A tiny EdgeTAM: 128 pixels, a RepViT of one block a stage."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    EdgeTamConfig,
    EdgeTamModel,
    EdgeTamVisionConfig,
    Sam2Processor,
    TimmWrapperConfig,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.sam2 import MAPS, decoder, image_processor, prompts

CHANNELS = (8, 16, 24, 32)


def build(folder: Path) -> None:
    torch.manual_seed(0)
    # transformers 5.23 misspells `architecture` in its defaults, which makes a ResNet of it.
    backbone = TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={
            "in_chans": 3,
            "features_only": True,
            "out_indices": [0, 1, 2, 3],
            "embed_dim": CHANNELS,
            "depth": [1, 1, 1, 1],
        },
    )
    vision = EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(reversed(CHANNELS)),
        backbone_feature_sizes=MAPS,
        fpn_hidden_size=16,
    )
    config = EdgeTamConfig(
        vision_config=vision, prompt_encoder_config=prompts(16), mask_decoder_config=decoder(16)
    )
    perturb(EdgeTamModel(config), seed=8).save_pretrained(folder)
    Sam2Processor(image_processor()).save_pretrained(folder)
