"""A tiny Grounding DINO, and its sister MM-Grounding-DINO."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    SwinConfig,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.tokenizers import BERT_SIZE, bert_tokenizer

LONGEST_TEXT = 48


def build(folder: Path, *, mm: bool = False) -> None:
    """Write a checkpoint as transformers does; `mm` makes it an MM-Grounding-DINO."""
    torch.manual_seed(0)
    config_class, model_class = (
        (MMGroundingDinoConfig, MMGroundingDinoForObjectDetection)
        if mm
        else (GroundingDinoConfig, GroundingDinoForObjectDetection)
    )
    model = model_class(config_class(**_sizes()))
    perturb(model, seed=1)
    with torch.no_grad():  # Else all scores are nearly 1.
        model.model.decoder.layer_norm.weight *= 0.2
    model.save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 144}
    images = GroundingDinoImageProcessor(size=size)
    GroundingDinoProcessor(images, bert_tokenizer()).save_pretrained(folder)


def _sizes() -> dict[str, object]:
    swin = SwinConfig(
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )
    bert = BertConfig(
        vocab_size=BERT_SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    return {
        "backbone_config": swin,
        "text_config": bert,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "num_queries": 20,
        "num_feature_levels": 4,
        "max_text_len": LONGEST_TEXT,
    }
