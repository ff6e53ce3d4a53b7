"""A tiny SAM 3 for phrases and exemplars, alone and in the folder of its video model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Sam3Config,
    Sam3ImageProcessor,
    Sam3LiteTextConfig,
    Sam3LiteTextModel,
    Sam3Model,
    Sam3Processor,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.tokenizers import clip_tokenizer

SIDE = 112
WIDTH = 32
LONGEST_TEXT = 32


def build(folder: Path) -> None:
    """Write a checkpoint as transformers does."""
    torch.manual_seed(0)
    perturb(Sam3Model(Sam3Config(**sizes())), seed=1).save_pretrained(folder)
    save_processor(folder)


def build_lite_text(folder: Path) -> None:
    """The same with the small text encoder of SAM 3 LiteText."""
    torch.manual_seed(0)
    text = {
        "vocab_size": 514,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "projection_dim": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": LONGEST_TEXT,
    }
    config = Sam3LiteTextConfig(**{**sizes(), "text_config": text})
    perturb(Sam3LiteTextModel(config), seed=1).save_pretrained(folder)
    save_processor(folder)


def save_processor(folder: Path) -> None:
    """What turns images and phrases into the network's input."""
    images = Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    Sam3Processor(images, clip_tokenizer(LONGEST_TEXT)).save_pretrained(folder)


def sizes(width: int = WIDTH) -> dict[str, Any]:
    """The settings of Sam3Config that make it tiny."""
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [1],
        "pretrain_image_size": 56,
    }
    text = {
        "model_type": "clip_text_model",
        "vocab_size": 514,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "projection_dim": width,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": LONGEST_TEXT,
        "eos_token_id": 513,
        "bos_token_id": 512,
    }
    part = {"hidden_size": width, "num_attention_heads": 2}
    layers = {**part, "intermediate_size": 64, "num_layers": 2}
    return {
        "vision_config": {
            "backbone_config": backbone,
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        "text_config": text,
        "geometry_encoder_config": {**layers, "num_layers": 1},
        "detr_encoder_config": layers,
        "detr_decoder_config": {**layers, "num_queries": 12},
        "mask_decoder_config": part,
    }
