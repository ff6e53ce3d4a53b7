"""Tiny closed-set detectors of the DETR kind: RT-DETR, RT-DETR v2, D-FINE, RF-DETR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DFineConfig,
    DFineForObjectDetection,
    HGNetV2Config,
    RfDetrConfig,
    RfDetrDinov2Config,
    RfDetrForInstanceSegmentation,
    RfDetrForObjectDetection,
    RfDetrImageProcessor,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrImageProcessor,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
)

from tests.tiny_models.perturb import perturb

NAMES = {0: "person", 1: "helmet", 2: "Katze ☕"}
SIDE = 64


def rt_detr(folder: Path) -> None:
    """Write a checkpoint of RT-DETR as transformers does."""
    torch.manual_seed(0)
    _write(folder, RTDetrForObjectDetection(RTDetrConfig(**_rt_sizes())), _square())


def rt_detr_v2(folder: Path) -> None:
    """Write a checkpoint of RT-DETR v2 as transformers does."""
    torch.manual_seed(0)
    _write(folder, RTDetrV2ForObjectDetection(RTDetrV2Config(**_rt_sizes())), _square())


def d_fine(folder: Path) -> None:
    """Write a checkpoint of D-FINE as transformers does."""
    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 24, 32],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 24, 32, 40],
        hidden_sizes=[16, 24, 32, 40],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        out_features=["stage2", "stage3", "stage4"],
    )
    sizes = {**_sizes(), "backbone_config": backbone, "encoder_in_channels": [24, 32, 40]}
    torch.manual_seed(0)
    _write(folder, DFineForObjectDetection(DFineConfig(**sizes)), _square())


def rf_detr(folder: Path) -> None:
    """Write a checkpoint of RF-DETR as transformers does; it takes images of all shapes."""
    torch.manual_seed(0)
    _write(folder, RfDetrForObjectDetection(_rf_config()), _as_long(SIDE))


def rf_detr_segmentation(folder: Path) -> None:
    """Write a checkpoint of RF-DETR that draws masks as transformers does."""
    torch.manual_seed(0)
    _write(folder, RfDetrForInstanceSegmentation(_rf_config()), _as_long(SIDE))


BUILDERS: dict[str, Callable[[Path], None]] = {
    builder.__name__: builder
    for builder in (rt_detr, rt_detr_v2, d_fine, rf_detr, rf_detr_segmentation)
}


def build(folder: Path) -> None:
    """Write the kind that the catalog has first."""
    d_fine(folder)


def _sizes() -> dict[str, Any]:
    return {
        "encoder_hidden_dim": 32,
        "d_model": 32,
        "num_queries": 20,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "decoder_in_channels": [32, 32, 32],
        "num_denoising": 0,
        "id2label": NAMES,
    }


def _rt_sizes() -> dict[str, Any]:
    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    return {**_sizes(), "backbone_config": backbone, "encoder_in_channels": [16, 24, 32]}


def _rf_config() -> Any:
    backbone = RfDetrDinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
        num_windows=2,
        out_features=["stage2", "stage4"],
    )
    return RfDetrConfig(
        backbone_config=backbone,
        d_model=32,
        num_queries=20,
        decoder_layers=2,
        decoder_ffn_dim=64,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        group_detr=1,
        id2label=NAMES,
    )


def _square() -> Any:
    return RTDetrImageProcessor(size={"height": SIDE, "width": SIDE})


def _as_long(side: int) -> Any:
    return RfDetrImageProcessor(size={"height": side, "width": side})


def _write(folder: Path, model: Any, images: Any) -> None:
    perturb(model, seed=1)
    for name, buffer in model.named_buffers():
        if "running_var" in name:  # Else nothing of the image is left behind the last one.
            buffer *= 0.1
    model.save_pretrained(folder)
    images.save_pretrained(folder)
