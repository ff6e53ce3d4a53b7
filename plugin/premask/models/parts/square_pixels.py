"""Images -> the square of pixels that networks of SAM's kind see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from premask.images import Image
from premask.models.parts.torch_runtime import network_input, processed


def network_pixels(processor: Any, images: Sequence[Image], encoder: Any) -> torch.Tensor:
    """Images (n, 3, side, side) as the processor of their weights prepares them."""
    pixels = [_prepared(processor, image, encoder.device) for image in images]
    return (pixels[0] if len(pixels) == 1 else torch.cat(pixels)).to(encoder.dtype)


def _prepared(processor: Any, image: Image, device: torch.device) -> torch.Tensor:
    """The pixels (1, 3, side, side) of one image.

    The processor puts the planes of an image one behind the other, and then resizes them. On a CPU
    that takes several times as long as to resize pixels as they lie, and gives the same ones.
    """
    if device.type != "cpu" or not processor.do_resize or not processor.size.height:
        return network_input(processor, image, device)["pixel_values"]
    pixels = torch.from_numpy(image.rgb.copy()).permute(2, 0, 1)
    resized = processor.resize(pixels, processor.size, resample=processor.resample)
    return processed(processor, resized, device, do_resize=False)["pixel_values"]
