"""A tiny ViTMatte: two blocks, and patches of 16 pixels as in the real ones."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    VitDetConfig,
    VitMatteConfig,
    VitMatteForImageMatting,
    VitMatteImageProcessor,
)

from tests.tiny_models.perturb import perturb


def make_contrasting(decoder: torch.nn.Module) -> None:
    """Raise the weights of its norms: they begin as zeros, so the image would not matter."""
    with torch.no_grad():
        for module in decoder.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight += 1
        projection = decoder.matting_head.matting_convs[3]
        projection.weight *= 20
        projection.bias.zero_()


def build(folder: Path) -> None:
    torch.manual_seed(0)
    backbone = VitDetConfig(
        num_channels=4,
        image_size=64,
        pretrain_image_size=64,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        window_block_indices=[0],
        window_size=2,
        residual_block_indices=[1],
        use_relative_position_embeddings=True,
        out_features=["stage2"],
    )
    config = VitMatteConfig(
        backbone_config=backbone,
        hidden_size=16,
        convstream_hidden_sizes=[8, 8, 8],
        fusion_hidden_sizes=[8, 8, 8, 8],
    )
    model = perturb(VitMatteForImageMatting(config), seed=1)
    make_contrasting(model.decoder)
    model.save_pretrained(folder)
    VitMatteImageProcessor().save_pretrained(folder)
