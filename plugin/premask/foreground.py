"""The object's own colours where its edge is soft, so that a cut-out carries no halo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.geometry import box_slices, grow_box, pixel_box
from premask.images import Rgb
from premask.masks import Alpha, Mask

Floats = NDArray[np.floating[Any]]

# Sides of the boxes that colours are gathered in, from afar to nearby. Forte 2021 has 90 and 6;
# the one between takes a tenth off the error of wide soft edges and of hair (docs/adr/0003).
BOX_SIDES = (90, 20, 6)

NEARLY_NOTHING = 1e-5


def estimate_foreground(rgb: Rgb, alpha: Alpha) -> Rgb:
    """Colours (height, width, 3) of uint8 that belong to the object, with `alpha` (height, width).

    Where alpha is 0 or 255 they are the image's own.
    """
    soft = (alpha > 0) & (alpha < 255)
    foreground = rgb.copy()
    if not soft.any():
        return foreground
    reach = grow_box(Mask.from_array(soft).box_xyxy, BOX_SIDES[0] / 2)
    around = box_slices(pixel_box(reach, (rgb.shape[0], rgb.shape[1])))
    colours = _blur_fused(_unit(rgb[around]), _unit(alpha[around])[..., np.newaxis])
    foreground[soft] = np.rint(colours[soft[around]] * 255)
    return foreground


def _blur_fused(rgb: Floats, alpha: Floats) -> Floats:
    """Blur-fusion: colours nearby on either side, corrected so that they mix to what is seen."""
    foreground = background = rgb
    rest = 1 - alpha
    for side in BOX_SIDES:
        foreground = _mean_around(foreground, alpha, side)
        background = _mean_around(background, rest, side)
        unexplained = rgb - alpha * foreground - rest * background
        foreground = (foreground + alpha * unexplained).clip(0, 1)
    return foreground


def _mean_around(colours: Floats, weights: Floats, side: int) -> Floats:
    box = (side, side, 1)
    total = ndimage.uniform_filter(colours * weights, box)
    return np.asarray(total / (ndimage.uniform_filter(weights, box) + NEARLY_NOTHING))


def _unit(values: NDArray[np.uint8]) -> Floats:
    return values.astype(np.float32) / 255
