"""A tiny SegFormer that tells clothes apart: 64 pixels, two blocks a stage at most."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

from tests.tiny_models.perturb import make_picky, perturb

NAMES = ("Background", "Hat", "Hair", "Upper-clothes", "Left-shoe", "Right-shoe")


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 2, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    model = perturb(SegformerForSemanticSegmentation(config), seed=1)
    make_picky(model.decode_head.classifier)
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
