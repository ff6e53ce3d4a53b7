"""A tiny OneFormer with a Swin of one block a stage; it reads its task letter by letter."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessor,
    OneFormerProcessor,
)

from tests.tiny_models.mask2former import NAMES, swin
from tests.tiny_models.perturb import make_contrasting, make_picky, perturb, scale
from tests.tiny_models.tokenizers import clip_tokenizer

LONGEST = 40
CLASSES_FILE = "classes.json"


def build(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(longest=LONGEST)
    config = OneFormerConfig(
        backbone_config=swin(),
        hidden_dim=32,
        conv_dim=32,
        mask_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        num_queries=12,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_context_length=LONGEST,
        text_encoder_vocab_size=len(tokenizer),
        text_encoder_n_ctx=0,
        task_seq_len=LONGEST,
        max_seq_len=LONGEST,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    model = perturb(OneFormerForUniversalSegmentation(config), seed=1)
    module = "model.transformer_module"
    make_picky(model.model.transformer_module.decoder.class_embed)
    make_contrasting(model.model.pixel_level_module.decoder.mask_projection)
    scale(
        model,
        {
            f"{module}.queries_embedder.weight": 20,
            f"{module}.decoder.mask_embed.layers.0.0.weight": 3,
            f"{module}.decoder.mask_embed.layers.2.0.weight": 3,
        },
    )
    model.save_pretrained(folder)
    classes = {str(number): {"name": name, "isthing": 1} for number, name in enumerate(NAMES)}
    (folder / CLASSES_FILE).write_text(json.dumps(classes), encoding="utf-8")
    processor = OneFormerImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 128},
        repo_path=str(folder),
        class_info_file=CLASSES_FILE,
        num_text=2,
    )
    OneFormerProcessor(
        processor, tokenizer, max_seq_length=LONGEST, task_seq_length=LONGEST
    ).save_pretrained(folder)
