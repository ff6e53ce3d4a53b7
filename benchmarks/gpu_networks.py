"""Networks of their real sizes with random weights, written as checkpoints; and tiny ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    RfDetrConfig,
    RfDetrForInstanceSegmentation,
    RfDetrImageProcessor,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
)

from premask.models.families.birefnet.network import BiRefNet
from premask.models.families.birefnet.swin import SwinShape
from tests.tiny_models import birefnet as tiny_birefnet
from tests.tiny_models import detr as tiny_detr
from tests.tiny_models import sam2 as tiny_sam2
from tests.tiny_models import sam3 as tiny_sam3
from tests.tiny_models.tokenizers import clip_tokenizer

SWIN_LARGE = SwinShape(width=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), window=12)

WEIGHTS = "model.safetensors"

HIERA_LARGE = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 144,
    "blocks_per_stage": [2, 6, 36, 4],
    "embed_dim_per_stage": [144, 288, 576, 1152],
    "num_attention_heads_per_stage": [2, 4, 8, 16],
    "window_size_per_stage": [8, 4, 16, 8],
    "global_attention_blocks": [23, 33, 43],
    "window_positional_embedding_background_size": [7, 7],
}


def sam2_large(folder: Path) -> None:
    _seeded(_sam2_large).save_pretrained(folder)
    Sam2ImageProcessor().save_pretrained(folder)


def sam3(folder: Path) -> None:
    _seeded(_sam3).save_pretrained(folder)
    # Which words it knows costs nothing, so that the vocabulary may be a small one.
    Sam3Processor(Sam3ImageProcessor(), clip_tokenizer(32)).save_pretrained(folder)


def rf_detr(folder: Path) -> None:
    model = _seeded(_rf_detr)
    model.save_pretrained(folder)
    side = model.config.backbone_config.image_size
    RfDetrImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)


def birefnet(folder: Path) -> None:
    weights = _seeded(_birefnet).state_dict().items()
    save_file({name: values.contiguous() for name, values in weights}, folder / WEIGHTS)


def millions_of_parameters() -> dict[str, float]:
    """How large the networks are, by the names of their folders; nothing is allocated."""
    makers = {"sam2": _sam2_large, "sam3": _sam3, "detr": _rf_detr, "birefnet": _birefnet}
    with torch.device("meta"):
        networks = {name: make() for name, make in makers.items()}
    return {
        name: sum(values.numel() for values in network.parameters()) / 1e6
        for name, network in networks.items()
    }


def _seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return make()


def _sam2_large() -> Any:
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": HIERA_LARGE,
        "backbone_channel_list": [1152, 576, 288, 144],
    }
    return Sam2Model(Sam2Config(vision_config=vision))


def _sam3() -> Any:
    return Sam3Model(Sam3Config())


def _rf_detr() -> Any:
    return RfDetrForInstanceSegmentation(RfDetrConfig())


def _birefnet() -> Any:
    return BiRefNet(SWIN_LARGE)


Builders = dict[str, Callable[[Path], None]]

BUILDERS: Builders = {"sam2": sam2_large, "sam3": sam3, "detr": rf_detr, "birefnet": birefnet}

TINY_BUILDERS: Builders = {
    "sam2": tiny_sam2.build,
    "sam3": tiny_sam3.build,
    "detr": tiny_detr.rf_detr_segmentation,
    "birefnet": tiny_birefnet.build,
}
