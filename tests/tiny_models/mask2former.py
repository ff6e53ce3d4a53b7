"""A tiny Mask2Former with a Swin of one block a stage, on squares of 64 pixels."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    SwinConfig,
)

from tests.tiny_models.perturb import make_contrasting, make_picky, perturb, scale

NAMES = ("person", "horse", "sky", "grass", "wall")


def swin() -> SwinConfig:
    return SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=12,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    model = perturb(Mask2FormerForUniversalSegmentation(config), seed=1)
    make_picky(model.class_predictor)
    make_contrasting(model.model.pixel_level_module.decoder.mask_projection)
    module = "model.transformer_module"
    embedder = f"{module}.decoder.mask_predictor.mask_embedder"
    scale(
        model,
        {
            f"{module}.queries_features.weight": 3,
            f"{embedder}.0.0.weight": 3,
            f"{embedder}.2.0.weight": 3,
            f"{embedder}.2.0.bias": 0,
        },
    )
    model.save_pretrained(folder)
    Mask2FormerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
