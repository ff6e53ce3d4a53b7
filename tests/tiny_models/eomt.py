"""A tiny EoMT on squares of 64 pixels, for objects or (`build_semantic`) for classes alone."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessor

from tests.tiny_models.mask2former import NAMES
from tests.tiny_models.perturb import make_picky, perturb, scale

SIDE = 64


def build(folder: Path) -> None:
    model().save_pretrained(folder)
    size = {"shortest_edge": SIDE, "longest_edge": SIDE}
    EomtImageProcessor(size=size, do_pad=True).save_pretrained(folder)


def build_semantic(folder: Path) -> None:
    """It looks at squares along the longer side, as the checkpoints for ADE20K do."""
    model().save_pretrained(folder)
    size = {"shortest_edge": SIDE, "longest_edge": None}
    EomtImageProcessor(size=size, do_split_image=True).save_pretrained(folder)


def model() -> EomtForUniversalSegmentation:
    torch.manual_seed(0)
    config = EomtConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIDE,
        patch_size=8,
        num_queries=12,
        num_blocks=1,
        num_upscale_blocks=1,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    model = perturb(EomtForUniversalSegmentation(config), seed=1)
    make_picky(model.class_predictor)
    scale(
        model,
        {
            "query.weight": 3,
            "upscale_block.block.0.layernorm2d.bias": 0,
            "upscale_block.block.0.conv2.weight": 5,
            "mask_head.fc1.weight": 3,
            "mask_head.fc3.weight": 3,
        },
    )
    return model
