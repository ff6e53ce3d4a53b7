"""A BiRefNet with a narrow encoder. It has 43 MB all the same: the decoder's width is fixed."""

from __future__ import annotations

import math
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from safetensors.torch import save_file

from premask.models.families.birefnet.network import BiRefNet
from premask.models.families.birefnet.swin import SwinShape

SHAPE = SwinShape(width=8, depths=(2, 1, 1, 1), heads=(1, 2, 2, 2), window=4)


def build(folder: Path) -> None:
    save_file(agreed_weights(BiRefNet(SHAPE)), folder / "model.safetensors")


def agreed_weights(network: BiRefNet) -> dict[str, torch.Tensor]:
    """The weights that the golden output was made with: numbers that anyone can make again."""
    return {name: _waves(name, values) for name, values in network.state_dict().items()}


def _waves(name: str, values: torch.Tensor) -> torch.Tensor:
    if not values.is_floating_point():
        return values
    count, dimensions = values.numel(), values.dim()
    wave = np.sin(0.7 * np.arange(count, dtype=np.float64) + crc32(name.encode()) % 1000)
    fan = max(1, count // max(1, len(values))) if dimensions > 1 else 1
    if name.endswith("running_var"):
        wave = 1 + 0.5 * wave * wave
    elif dimensions == 1 and name.endswith("weight"):
        wave = 1 + 0.1 * wave
    else:
        wave *= 1.5 / math.sqrt(fan) if dimensions > 1 else 0.05
    return torch.from_numpy(wave.astype(np.float32).reshape(values.shape))
