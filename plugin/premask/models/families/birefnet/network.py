"""The network of BiRefNet (Zheng 2024). Its parts are named as the official weights name them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from premask.models.families.birefnet.decoder import Decoder, Step, enlarged
from premask.models.families.birefnet.swin import Swin, SwinShape

Weights = Mapping[str, torch.Tensor]

MULTIPLE = 32
"""Height and width of what the network sees are multiples of it."""


class BiRefNet(nn.Module):
    """Logits (n, 1, h, w) of the subject, from normalized pixels (n, 3, h, w)."""

    def __init__(self, shape: SwinShape) -> None:
        super().__init__()
        self.bb = Swin(shape)
        # The encoder sees the image twice, the second time at half its size, which doubles maps.
        widths = [2 * width for width in shape.widths]
        self.squeeze_module = nn.Sequential(Step(sum(widths), widths[-1]))
        self.decoder = Decoder(widths)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        half = F.interpolate(pixels, scale_factor=0.5, mode="bilinear", align_corners=True)
        pairs = zip(self.bb(pixels), self.bb(half), strict=True)
        maps = [torch.cat([whole, enlarged(small, whole)], dim=1) for whole, small in pairs]
        context = [enlarged(finer, maps[-1]) for finer in maps[:-1]]
        maps[-1] = self.squeeze_module(torch.cat([*context, maps[-1]], dim=1))
        logits: torch.Tensor = self.decoder(pixels, maps)
        return logits


def shape_of(weights: Weights) -> SwinShape:
    """The sizes of the encoder that these weights were trained for; KeyError if they are others."""
    width = len(weights["bb.patch_embed.proj.weight"])
    tables = [
        weights[f"bb.layers.{stage}.blocks.0.attn.relative_position_bias_table"]
        for stage in range(4)
    ]
    return SwinShape(
        width=width,
        depths=tuple(_depth(weights, stage) for stage in range(4)),
        heads=tuple(table.shape[1] for table in tables),
        window=(int(len(tables[0]) ** 0.5) + 1) // 2,
    )


def _depth(weights: Weights, stage: int) -> int:
    names = (f"bb.layers.{stage}.blocks.{block}.norm1.weight" for block in range(len(weights)))
    return next(block for block, name in enumerate(names) if name not in weights)
