"""A tiny SAM 2.1 of the package sam2: a .pt file, and the configuration that says how tiny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from premask.models.families.sam2_official.checkpoint import CONFIGURATIONS
from tests.tiny_models.perturb import make_wavering, perturb

SIDE = 128
WIDTH = 64
MEMORY_WIDTH = 16
CERTAINTY = 3.9

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
    "memory_attention.d_model": WIDTH,
    "memory_attention.layer.d_model": WIDTH,
    "memory_attention.layer.dim_feedforward": 32,
    "memory_attention.layer.self_attention.embedding_dim": WIDTH,
    "memory_attention.layer.cross_attention.embedding_dim": WIDTH,
    "memory_attention.layer.cross_attention.kv_in_dim": MEMORY_WIDTH,
    "memory_encoder.in_dim": WIDTH,
    "memory_encoder.out_dim": MEMORY_WIDTH,
    "memory_encoder.position_encoding.num_pos_feats": MEMORY_WIDTH,
    "memory_encoder.mask_downsampler.embed_dim": WIDTH,
    "memory_encoder.fuser.layer.dim": WIDTH,
    "memory_encoder.fuser.num_layers": 1,
}
"""What differs from the tiny size that was released."""


def build(folder: Path, **changes: Any) -> None:
    """Write `tiny.pt` and `tiny.yaml`."""
    torch.manual_seed(0)
    settings = OmegaConf.load(CONFIGURATIONS / "sam2.1" / "sam2.1_hiera_t.yaml")
    for name, value in (CHANGES | changes).items():
        OmegaConf.update(settings, f"model.{name}", value)
    model = perturb(instantiate(settings.model), seed=7)
    make_wavering(model.sam_mask_decoder.pred_obj_score_head.layers[-1], CERTAINTY)
    save(model.state_dict(), folder / "tiny.pt")
    OmegaConf.save(settings, folder / "tiny.yaml")


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint as the authors' training does."""
    torch.save({"model": state}, path)
