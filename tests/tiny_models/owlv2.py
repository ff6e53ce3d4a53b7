"""A tiny OWLv2."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    Owlv2TextConfig,
    Owlv2VisionConfig,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.tokenizers import clip_tokenizer

LONGEST_PHRASE = 16
SIDE = 96


def build(folder: Path) -> None:
    """Write a checkpoint as transformers does."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 2}
    text = Owlv2TextConfig(
        vocab_size=514,
        max_position_embeddings=LONGEST_PHRASE,
        pad_token_id=0,
        bos_token_id=512,
        eos_token_id=513,
        **sizes,
    )
    vision = Owlv2VisionConfig(image_size=SIDE, patch_size=16, **sizes)
    config = Owlv2Config(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=32
    )
    model = perturb(Owlv2ForObjectDetection(config), seed=1)
    with torch.no_grad():  # Else all boxes end at the image's border, and all scores are 0 or 1.
        for head in (model.class_head, model.box_head, model.objectness_head):
            for parameter in head.parameters():
                parameter *= 0.2
    model.save_pretrained(folder)
    images = Owlv2ImageProcessor(size={"height": SIDE, "width": SIDE})
    Owlv2Processor(images, clip_tokenizer(LONGEST_PHRASE, padding="!")).save_pretrained(folder)
