"""A tiny SAM: 128 pixels, two layers."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

from tests.tiny_models.perturb import perturb

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_dim": 32,
    "image_size": 128,
    "output_channels": 16,
    "num_pos_feats": 8,
    "window_size": 4,
    "global_attn_indexes": [1],
}
PROMPTS = {
    "hidden_size": 16,
    "image_size": 128,
    "image_embedding_size": 8,
    "mask_input_channels": 4,
}
DECODER = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = SamConfig(
        vision_config=VISION, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
    )
    perturb(SamModel(config), seed=2).save_pretrained(folder)
    SamProcessor(image_processor()).save_pretrained(folder)


def image_processor() -> SamImageProcessor:
    square = {"height": 128, "width": 128}
    return SamImageProcessor(size={"longest_edge": 128}, pad_size=square)
