"""A tiny tracker of SAM 3: 112 pixels, two layers."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Sam3ImageProcessor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.sam2 import decoder, prompts

SIDE = 112


def build(folder: Path) -> None:
    torch.manual_seed(0)
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "pretrain_image_size": 56,
            "window_size": 4,
            "global_attn_indexes": [1],
        },
        "fpn_hidden_size": 16,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    config = Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config={**prompts(16), "image_size": SIDE, "patch_size": 14},
        mask_decoder_config=decoder(16),
    )
    perturb(Sam3TrackerModel(config), seed=0).save_pretrained(folder)
    image_processor = Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    Sam3TrackerProcessor(image_processor).save_pretrained(folder)
