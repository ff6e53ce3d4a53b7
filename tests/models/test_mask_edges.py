"""Masks from the signs of their logits, against all of the pixels as torch enlarges them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from premask.masks import Mask
from premask.models.parts.mask_edges import Steps, edges_from_logits
from premask.models.parts.mask_logits import Canvas, masks_from_logits

LOW, SIDE = 16, 64


def enlarged(logits: torch.Tensor, down: Steps, across: Steps) -> NDArray[np.float32]:
    """All pixels, in two dimensions as transformers does it."""
    pixels = logits[None, None]
    for (height, rows), (width, columns) in zip(down, across, strict=True):
        pixels = F.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)
        pixels = pixels[..., :rows, :columns]
    return np.asarray(pixels[0, 0].numpy())


def blobs(seed: int, roughness: float) -> torch.Tensor:
    """Hills and holes, more or less smooth."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.randn(1, 1, LOW, LOW, generator=generator)
    smooth = F.interpolate(rough[..., :4, :4], (LOW, LOW), mode="bicubic")
    return (smooth * (1 - roughness) + rough * roughness)[0, 0] * 8


sides = st.integers(1, 150)
seeds = st.integers(0, 10**6)


@given(seeds, st.floats(0, 1), sides, sides, st.booleans())
def test_it_is_the_mask_of_all_pixels(
    seed: int, roughness: float, height: int, width: int, padded: bool
) -> None:
    longest = max(height, width)
    covered_hw = (max(1, height * SIDE // longest), max(1, width * SIDE // longest))
    canvas = Canvas(side=SIDE, size_hw=(height, width), covered_hw=covered_hw if padded else None)
    logits = blobs(seed, roughness)
    expected = Mask.from_array(enlarged(logits, canvas.steps(0), canvas.steps(1)) > 0)
    assert masks_from_logits(logits[None], [canvas]) == [expected]


@given(seeds, st.sampled_from([8, 3, 2, 1]))
def test_where_signs_are_a_matter_of_rounding_pixels_are_made(seed: int, levels: int) -> None:
    """Logits of few values, as halves have them, cancel out to nearly nothing at many pixels."""
    logits = (blobs(seed, 0.7).clamp(-1, 1) * levels).round() * 0.1
    canvas = Canvas(side=SIDE, size_hw=(100, 90))
    expected = Mask.from_array(enlarged(logits, canvas.steps(0), canvas.steps(1)) > 0)
    assert masks_from_logits(logits[None], [canvas]) == [expected]


def test_it_does_without_the_pixels() -> None:
    """Or nothing of this would be worth its lines."""
    steps = [(80, 80)], [(90, 90)]
    found = [edges_from_logits(blobs(seed, 0.2).numpy(), *steps) for seed in range(50)]
    assert sum(edges is None for edges in found) <= 3


def test_a_tie_is_told() -> None:
    logits = np.full((LOW, LOW), -1, np.float32)
    logits[5:8, 5:8] = 1
    assert edges_from_logits(logits, [(LOW * 2, LOW * 2)], [(LOW * 2, LOW * 2)]) is not None
    # Here pixels lie in the very middle between -1 and 1.
    assert edges_from_logits(logits, [(24, 24)], [(24, 24)]) is None
