"""A tiny HQ-SAM: 128 pixels, two layers."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import SamHQConfig, SamHQModel, SamHQProcessor

from tests.tiny_models.perturb import perturb
from tests.tiny_models.sam import DECODER, PROMPTS, VISION, image_processor


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = SamHQConfig(
        vision_config=VISION,
        prompt_encoder_config=PROMPTS,
        mask_decoder_config={**DECODER, "vit_dim": VISION["hidden_size"]},
    )
    perturb(SamHQModel(config), seed=5).save_pretrained(folder)
    SamHQProcessor(image_processor()).save_pretrained(folder)
