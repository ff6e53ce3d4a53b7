"""The object's own colors where its edge is soft, so that a cut-out has no halo."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.geometry import IntBox, box_slices, grow_box, moved_box, pixel_box
from premask.images import Rgb
from premask.masks import Alpha, Mask

Floats = NDArray[np.floating]

# In pixels, the sides of the boxes around a pixel whose colors are averaged, first the large one.
# Forte 2021 has 90 and 6; the one between makes the error of wide soft edges and of hair a tenth
# smaller (docs/adr/0003).
BOX_SIDES = (90, 20, 6)

REACH = sum(side // 2 for side in BOX_SIDES)
"""How far away, in pixels, a color has an influence: half of each box, one box after another."""

TILE = 256
NEARLY_NOTHING = 1e-5
"""Keeps the mean of no weights at all from being 0 / 0."""


def estimate_foreground(rgb: Rgb, alpha: Alpha) -> Rgb:
    """Colors (height, width, 3) of uint8 of the object alone, where its `alpha` mixes them.

    `alpha` is (height, width). Where it is 0 or 255 the colors are the image's own.
    """
    soft = (alpha > 0) & (alpha < 255)
    foreground = rgb.copy()
    for box in _tiles(soft):
        around = pixel_box(grow_box(box, REACH), (rgb.shape[0], rgb.shape[1]))
        part, inner = box_slices(around), box_slices(moved_box(box, -around[0], -around[1]))
        colors = _blur_fused(_unit(rgb[part].transpose(2, 0, 1)), _unit(alpha[part]))
        own, wanted = foreground[box_slices(box)], soft[box_slices(box)]
        own[wanted] = np.rint(colors.transpose(1, 2, 0)[inner][wanted] * 255)
    return foreground


def _tiles(soft: NDArray[np.bool_]) -> Iterator[IntBox]:
    """Boxes that hold all soft pixels and little else, each of a size that fits in a cache."""
    for y, x in product(*(range(0, side, TILE) for side in soft.shape)):
        mask = Mask.from_array(soft[y : y + TILE, x : x + TILE])
        if mask.area:
            yield moved_box(mask.box_xyxy, x, y)


def _blur_fused(rgb: Floats, alpha: Floats) -> Floats:
    """Blur-fusion (Forte 2021): mean colors nearby, corrected so that they mix to what is seen.

    Colors are (3, h, w), because filters are fastest along neighbors in memory; alpha is (h, w).
    """
    foreground = background = rgb
    rest = 1 - alpha
    for side in BOX_SIDES:
        foreground = _mean_around(foreground, alpha, side)
        background = _mean_around(background, rest, side)
        unexplained = rgb - alpha * foreground - rest * background
        foreground = (foreground + alpha * unexplained).clip(0, 1)
    return foreground


def _mean_around(colors: Floats, weights: Floats, side: int) -> Floats:
    total = ndimage.uniform_filter(colors * weights, (1, side, side))
    return np.asarray(total / (ndimage.uniform_filter(weights, side) + NEARLY_NOTHING))


def _unit(values: NDArray[np.uint8]) -> Floats:
    return values.astype(np.float32, order="C") / 255
