"""A tiny SAM 2.1: 128 pixels, six blocks."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam2VideoConfig,
    Sam2VideoModel,
)

from tests.tiny_models.perturb import make_wavering, perturb

SIDE = 128
SQUARE = {"height": SIDE, "width": SIDE}
MAPS = [[32, 32], [16, 16], [8, 8]]


def vision(width: int) -> dict[str, object]:
    # A block with global attention can't be the first one of its stage.
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "image_size": [SIDE, SIDE],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [8, 4, 4, 2],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [4, 4],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": MAPS,
        "fpn_hidden_size": width,
    }


def prompts(width: int) -> dict[str, object]:
    return {"hidden_size": width, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}


def decoder(width: int) -> dict[str, object]:
    heads = {"num_attention_heads": 2, "iou_head_hidden_dim": 16}
    return {"hidden_size": width, "mlp_dim": 32, **heads}


def image_processor() -> Sam2ImageProcessor:
    return Sam2ImageProcessor(size=SQUARE, mask_size={"height": 32, "width": 32})


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = Sam2Config(
        vision_config=vision(16), prompt_encoder_config=prompts(16), mask_decoder_config=decoder(16)
    )
    perturb(Sam2Model(config), seed=7).save_pretrained(folder)
    Sam2Processor(image_processor()).save_pretrained(folder)


def memory(width: int) -> dict[str, object]:
    """What the configs of all video models call their memory's sizes, but for its attention."""
    return {
        "memory_attention_hidden_size": width,
        "memory_attention_num_layers": 1,
        "memory_attention_rope_feat_sizes": [8, 8],
        "memory_encoder_hidden_size": width,
        "mask_downsampler_embed_dim": width,
        "memory_fuser_embed_dim": width,
        "memory_fuser_intermediate_dim": 32,
        "memory_fuser_num_layers": 1,
    }


def build_video(folder: Path) -> None:
    """The files that facebook/sam2.1-* have: the video model, whose image part is the same."""
    torch.manual_seed(0)
    # The memory's width is fixed to 64 and has to be less than the rest's, a multiple of it.
    config = Sam2VideoConfig(
        vision_config=vision(128),
        prompt_encoder_config=prompts(128),
        mask_decoder_config=decoder(128),
        image_size=SIDE,
        memory_attention_feed_forward_hidden_size=32,
        **memory(128),
    )
    model = perturb(Sam2VideoModel(config), seed=0)
    make_wavering(model.mask_decoder.pred_obj_score_head.proj_out, -7)
    model.save_pretrained(folder)
    save_video_processor(folder)


def save_video_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(image_processor().to_json_string())
    processor = {"processor_class": "Sam2VideoProcessor", "target_size": SIDE}
    (folder / "processor_config.json").write_text(json.dumps(processor))
