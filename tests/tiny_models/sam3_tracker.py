"""A tiny tracker of SAM 3: 112 pixels, two layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    Sam3ImageProcessor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
    Sam3TrackerVideoConfig,
    Sam3TrackerVideoModel,
)

from tests.tiny_models.perturb import make_wavering, perturb
from tests.tiny_models.sam2 import decoder, memory, prompts

SIDE = 112


def build(folder: Path) -> None:
    torch.manual_seed(0)
    config = Sam3TrackerConfig(
        vision_config=vision(16),
        prompt_encoder_config=prompter(16),
        mask_decoder_config=decoder(16),
    )
    perturb(Sam3TrackerModel(config), seed=0).save_pretrained(folder)
    save_processor(folder)


def build_video(folder: Path) -> None:
    """The video model alone; its image part is the same."""
    torch.manual_seed(0)
    config = Sam3TrackerVideoConfig(
        vision_config=vision(128),
        prompt_encoder_config=prompter(128),
        mask_decoder_config=decoder(128),
        image_size=SIDE,
        memory_attention_feed_forward_hidden_size=32,
        **memory(128),
    )
    model = perturb(Sam3TrackerVideoModel(config), seed=2)
    make_wavering(model.mask_decoder.pred_obj_score_head.proj_out, 6)
    model.save_pretrained(folder)
    save_processor(folder)


def save_processor(folder: Path) -> None:
    image_processor = Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    Sam3TrackerProcessor(image_processor).save_pretrained(folder)


def prompter(width: int) -> dict[str, object]:
    return {**prompts(width), "image_size": SIDE, "patch_size": 14}


def vision(width: int) -> dict[str, object]:
    return {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "pretrain_image_size": 56,
            "window_size": 4,
            "global_attn_indexes": [1],
        },
        "fpn_hidden_size": width,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }


def build_published(folder: Path) -> None:
    """As facebook/sam3 names its weights: the detector's encoder serves the tracker, too."""
    build(folder)
    _rename(folder, Sam3TrackerModel.from_pretrained(folder))


def build_published_video(folder: Path) -> None:
    """The same with all that a clip needs."""
    build_video(folder)
    _rename(folder, Sam3TrackerVideoModel.from_pretrained(folder))


def _rename(folder: Path, model: Any) -> None:
    weights = {_published(name): values.contiguous() for name, values in model.state_dict().items()}
    weights["detector_model.text_encoder.x"] = torch.zeros(1)
    if isinstance(model, Sam3TrackerModel):
        weights["tracker_model.memory_encoder.x"] = torch.zeros(1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tracker = {**model.config.to_dict(), "model_type": "sam3_tracker_video"}
    config = {"model_type": "sam3_video", "tracker_config": tracker}
    (folder / "config.json").write_text(json.dumps(config))


def _published(name: str) -> str:
    if name.startswith("vision_encoder.backbone."):
        return f"detector_model.{name}"
    if name.startswith("vision_encoder.neck."):
        return name.replace("vision_encoder.neck.", "tracker_neck.")
    return f"tracker_model.{name}"
