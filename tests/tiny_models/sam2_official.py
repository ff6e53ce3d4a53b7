"""A tiny SAM 2.1 of the package sam2: a .pt file, and the configuration that says how tiny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from premask.models.families.sam2_official import CONFIGURATIONS
from tests.tiny_models.perturb import perturb

SIDE = 128
WIDTH = 64

CHANGES = {
    "image_size": SIDE,
    "num_maskmem": 2,
    "image_encoder.trunk.embed_dim": 8,
    "image_encoder.trunk.stages": [1, 1, 2, 1],
    "image_encoder.trunk.global_att_blocks": [3],
    "image_encoder.trunk.window_pos_embed_bkg_spatial_size": [4, 4],
    "image_encoder.trunk.window_spec": [8, 4, 4, 2],
    "image_encoder.neck.d_model": WIDTH,
    "image_encoder.neck.position_encoding.num_pos_feats": WIDTH,
    "image_encoder.neck.backbone_channel_list": [64, 32, 16, 8],
    "memory_attention.num_layers": 1,
    "memory_attention.layer.dim_feedforward": 32,
    "memory_encoder.fuser.num_layers": 1,
}
"""What differs from the tiny size that was released."""


def build(folder: Path) -> None:
    """Write `tiny.pt` and `tiny.yaml`."""
    torch.manual_seed(0)
    settings = OmegaConf.load(CONFIGURATIONS / "sam2.1" / "sam2.1_hiera_t.yaml")
    for name, value in CHANGES.items():
        OmegaConf.update(settings, f"model.{name}", value)
    save(perturb(instantiate(settings.model), seed=7).state_dict(), folder / "tiny.pt")
    OmegaConf.save(settings, folder / "tiny.yaml")


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint as the authors' training does."""
    torch.save({"model": state}, path)
