"""A tiny EdgeTAM: 128 pixels, a RepViT of one block a stage."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    EdgeTamConfig,
    EdgeTamModel,
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    EdgeTamVisionConfig,
    Sam2Processor,
    TimmWrapperConfig,
)

from tests.tiny_models.perturb import make_wavering, perturb
from tests.tiny_models.sam2 import (
    MAPS,
    SIDE,
    decoder,
    image_processor,
    memory,
    prompts,
    save_video_processor,
)

CHANNELS = (8, 16, 24, 32)


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = EdgeTamConfig(
        vision_config=vision(16),
        prompt_encoder_config=prompts(16),
        mask_decoder_config=decoder(16),
    )
    perturb(EdgeTamModel(config), seed=8).save_pretrained(folder)
    Sam2Processor(image_processor()).save_pretrained(folder)


def build_video(folder: Path) -> None:
    """The files that EdgeTAM-hf has: the video model, whose image part is the same."""
    torch.manual_seed(0)
    config = EdgeTamVideoConfig(
        vision_config=vision(128),
        prompt_encoder_config=prompts(128),
        mask_decoder_config=decoder(128),
        image_size=SIDE,
        memory_attention_mlp_hidden_size=32,
        memory_attention_rope_k_sizes=[4, 4],
        perceiver_resampler_num_latents=16,
        perceiver_resampler_num_latents_2d=16,
        perceiver_resampler_mlp_intermediate_size=32,
        perceiver_resampler_num_layers=1,
        **memory(128),
    )
    model = perturb(EdgeTamVideoModel(config), seed=0)
    make_wavering(model.mask_decoder.pred_obj_score_head.proj_out, -22)
    model.save_pretrained(folder)
    save_video_processor(folder)


def vision(width: int) -> EdgeTamVisionConfig:
    # transformers 5.23 misspells `architecture` in its defaults, which makes a ResNet of it.
    backbone = TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={
            "in_chans": 3,
            "features_only": True,
            "out_indices": [0, 1, 2, 3],
            "embed_dim": CHANNELS,
            "depth": [1, 1, 1, 1],
        },
    )
    return EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(reversed(CHANNELS)),
        backbone_feature_sizes=MAPS,
        fpn_hidden_size=width,
    )
