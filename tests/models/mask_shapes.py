"""Low-resolution masks of several shapes, and images of several sizes to enlarge them for."""

from __future__ import annotations

import torch

from premask.models.parts.mask_logits import Canvas

SIDE, LOW = 128, 32
SIZES = [(512, 512), (427, 640), (640, 427), (90, 61), (1, 300), (300, 1), (7, 5), (20, 1999)]


def canvases() -> list[Canvas]:
    stretched = [Canvas(side=SIDE, size_hw=size) for size in SIZES]
    padded = [
        Canvas(
            side=SIDE, size_hw=(h, w), covered_hw=(max(1, h * SIDE // longest), w * SIDE // longest)
        )
        for h, w in SIZES[:4]
        for longest in (max(h, w),)
    ]
    return stretched + padded


def shapes() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(LOW, LOW, generator=generator)
    rows, columns = torch.meshgrid(torch.arange(LOW), torch.arange(LOW), indexing="ij")
    disc = 5 - torch.hypot(rows - 9.0, columns - 14.0)
    spot = torch.full((LOW, LOW), -3.0)
    spot[10, 11] = 4
    corners = torch.full((LOW, LOW), -3.0)
    corners[0, 0] = corners[-1, -1] = 2
    return {
        "noise": noise,
        "disc": disc,
        "one pixel": spot,
        "two corners": corners,
        "all": torch.ones(LOW, LOW),
        "none": -torch.ones(LOW, LOW),
    }
