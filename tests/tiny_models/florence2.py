"""A tiny Florence-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    Florence2VisionConfig,
)

from tests.tiny_models.perturb import perturb
from tests.tiny_models.tokenizers import LETTERS, bart_tokenizer

SIDE = 64
LONGEST_TEXT = 128

# Four squares of 32 pixels, and the mean of all.
IMAGE_TOKENS = 5

PLACES = tuple(f"<loc_{number}>" for number in range(1000))
SAID = (*LETTERS, *PLACES[::8])

PARSE_TASKS = (
    "pure_text",
    "ocr",
    "description_with_bboxes",
    "phrase_grounding",
    "polygons",
    "bboxes",
    "description_with_bboxes_or_polygons",
)


def build(folder: Path) -> None:
    """Write a checkpoint as transformers does."""
    torch.manual_seed(0)
    tokenizer = bart_tokenizer([*PLACES, "<sep>", "<poly>", "</poly>", "<od>", "</od>"])
    text = BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=LONGEST_TEXT,
    )
    vision = Florence2VisionConfig(
        depths=(1, 1, 1, 1),
        embed_dim=(8, 16, 32, 32),
        num_heads=(1, 2, 2, 2),
        num_groups=(1, 2, 2, 2),
        window_size=2,
        projection_dim=32,
    )
    config = Florence2Config(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        image_token_id=tokenizer.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config)
    perturb(model, seed=1)
    _make_talkative(model.model, tokenizer)
    model.generation_config.no_repeat_ngram_size = 3  # as in the real ones
    model.save_pretrained(folder)
    images = CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, do_convert_rgb=True
    )
    images.image_seq_length = IMAGE_TOKENS
    processor = Florence2Processor(
        images, tokenizer, post_processor_config={task: {} for task in PARSE_TASKS}
    )
    processor.save_pretrained(folder)


def _make_talkative(model: Any, tokenizer: Any) -> None:
    """Let what it says depend on what it sees: words of letters, and places in the image.

    Without this it repeats one token for ever.
    """
    language = model.language_model
    with torch.no_grad():
        for layer in language.encoder.layers:
            layer.self_attn.out_proj.weight *= 3
            layer.self_attn.v_proj.weight *= 3
        for layer in language.decoder.layers:
            for projection in ("out_proj", "v_proj", "q_proj", "k_proj"):
                getattr(layer.encoder_attn, projection).weight *= 3
        language.decoder.embed_positions.weight *= 5
        model.multi_modal_projector.image_projection.weight *= 5
        rest = set(range(len(tokenizer))) - set(tokenizer.convert_tokens_to_ids([*SAID]))
        language.shared.weight[sorted(rest)] *= 0.4
