from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from premask.masks import Mask
from premask.models.parts.mask_logits import (
    Canvas,
    logits_from_mask,
    masks_and_stabilities,
    masks_from_logits,
)
from tests.models.mask_shapes import LOW, SIDE, canvases, shapes


def mask_from_logits(logits: torch.Tensor, canvas: Canvas) -> Mask:
    return masks_from_logits(logits[None], [canvas])[0]


def mask_and_stability(logits: torch.Tensor, canvas: Canvas, offset: float) -> tuple[Mask, float]:
    (mask,), (stability,) = masks_and_stabilities(logits[None], canvas, offset)
    return mask, stability


def enlarged(logits: torch.Tensor, canvas: Canvas) -> NDArray[np.float32]:
    """All of the image, as transformers' post_process_masks does it."""
    masks = logits[None, None]
    if canvas.covered_hw is not None:
        height, width = canvas.covered_hw
        masks = F.interpolate(masks, (SIDE, SIDE), mode="bilinear", align_corners=False)
        masks = masks[..., :height, :width]
    masks = F.interpolate(masks, canvas.size_hw, mode="bilinear", align_corners=False)
    return np.asarray(masks[0, 0].numpy())


@pytest.mark.parametrize("canvas", canvases(), ids=str)
@pytest.mark.parametrize("shape", shapes())
def test_a_mask_is_the_full_image_enlarged(canvas: Canvas, shape: str) -> None:
    logits = shapes()[shape]
    expected = Mask.from_array(enlarged(logits, canvas) > 0)
    assert mask_from_logits(logits, canvas) == expected


@pytest.mark.parametrize("canvas", canvases(), ids=str)
def test_stability_counts_the_full_image(canvas: Canvas) -> None:
    logits = 2 * shapes()["disc"]
    full = enlarged(logits, canvas)
    mask, stability = mask_and_stability(logits, canvas, 1)
    assert mask == Mask.from_array(full > 0)
    assert stability == np.count_nonzero(full > 1) / max(1, np.count_nonzero(full > -1))


def test_what_lies_in_the_padding_alone_is_no_mask() -> None:
    logits = torch.full((LOW, LOW), -1.0)
    logits[20:] = 1
    canvas = Canvas(side=SIDE, size_hw=(200, 400), covered_hw=(64, 128))
    assert mask_from_logits(logits, canvas) == Mask.empty((200, 400))
    assert mask_and_stability(logits, canvas, 0.5) == (Mask.empty((200, 400)), 0)


@pytest.mark.parametrize("covered_hw", [None, (64, 128)])
def test_a_mask_comes_back_from_its_logits(covered_hw: tuple[int, int] | None) -> None:
    pixels = np.zeros((200, 400), np.bool_)
    pixels[40:120, 100:301] = True
    canvas = Canvas(side=SIDE, size_hw=(200, 400), covered_hw=covered_hw)
    mask = Mask.from_array(pixels)
    logits = logits_from_mask(mask, canvas, LOW)
    assert logits.shape == (LOW, LOW)
    assert (logits.min(), logits.max()) == (-10, 10)
    # A shift by half a low-resolution pixel would leave 0.9.
    assert mask_from_logits(logits, canvas).iou(mask) > 0.96


@pytest.mark.parametrize("turned", [False, True])
def test_padding_is_beside_any_rough_mask(turned: bool) -> None:
    size_hw, covered_hw = ((400, 200), (128, 64)) if turned else ((200, 400), (64, 128))
    canvas = Canvas(side=SIDE, size_hw=size_hw, covered_hw=covered_hw)
    logits = logits_from_mask(Mask.from_array(np.ones(size_hw)), canvas, LOW)
    logits = logits.T if turned else logits
    assert (logits[:15] > 9.99).all()
    assert (logits[17:] < -9.99).all()
