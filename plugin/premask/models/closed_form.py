"""Closed-form matting (Levin, Lischinski, Weiss 2008) of the band around a mask's edge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray
from scipy import ndimage

from premask.errors import UnsupportedPrompt
from premask.geometry import box_slices, grow_box, pixel_box
from premask.images import Image
from premask.masks import Alpha, Mask
from premask.models.options import ClosedFormOptions
from premask.models.trimap import Pixels, core

Floats = NDArray[np.float64]

# The paper's regularisation of a window's colours; more makes softer mattes.
EPSILON = 1e-7

# A 3 x 3 window, and the pixels that share one with a pixel.
WINDOW = 3
REACH = 2 * WINDOW - 1

# The direct solver takes about a second and 300 MB for so many unknowns (docs/adr/0003).
MOST_UNKNOWN = 80_000


class ClosedFormMatter:
    """Mattes the object of a mask; what is far from the mask's edge stays as it is."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        """An algorithm needs neither weights nor a device."""

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: ClosedFormOptions
    ) -> list[Alpha]:
        """Alpha (height, width) of each masked object."""
        return [
            _matte(image, mask, options.band) for image, mask in zip(images, masks, strict=True)
        ]


def _matte(image: Image, mask: Mask | None, band: float) -> Alpha:
    if mask is None:
        raise UnsupportedPrompt(
            "Closed-form matting softens the edge of a mask, and there is none. Give it one, or "
            "use a recipe that finds the object first, such as 'subject-cutout'."
        )
    alpha = np.zeros(image.size_hw, np.uint8)
    if mask.area:
        radius = max(1.0, band * mask.area**0.5)
        box = pixel_box(grow_box(mask.box_xyxy, np.ceil(radius) + 2), image.size_hw)
        rgb = image.rgb[box_slices(box)] / 255
        alpha[box_slices(box)] = np.rint(_soft_edge(rgb, mask.crop(box), radius) * 255)
    return alpha


def _soft_edge(rgb: Floats, mask: Pixels, radius: float) -> Floats:
    """Alpha (h, w), 0 to 1, that is unknown up to `radius` pixels from the mask's edge."""
    inside, outside = core(mask, radius), core(~mask, radius)
    unknown = ~(inside | outside)
    step = int(np.ceil((unknown.sum() / MOST_UNKNOWN) ** 0.5))
    alpha = inside.astype(np.float64)
    if step > 1:
        alpha[unknown] = _solved_small(rgb, inside, outside, step)[unknown]
    elif step:
        alpha[unknown] = _solved(rgb, inside, unknown)
    return alpha


def _solved_small(rgb: Floats, inside: Pixels, outside: Pixels, step: int) -> Floats:
    """Solve on blocks of step x step pixels, and carry the result to the pixels by their colours."""
    small_rgb = _block_means(rgb, step)
    small_inside = _block_means(inside[..., np.newaxis], step)[..., 0] == 1
    small_unknown = ~small_inside & (_block_means(outside[..., np.newaxis], step)[..., 0] < 1)
    small = small_inside.astype(np.float64)
    small[small_unknown] = _solved(small_rgb, small_inside, small_unknown)
    return _carried(small, small_rgb, rgb, step)
