"""Trimaps: the pixels that surely belong to an object, or surely don't, from its rough mask."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from premask.errors import UnsupportedPrompt
from premask.masks import Mask

Pixels = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]

# Diagonal neighbors belong to one part.
CONNECTED = np.ones((3, 3), np.bool_)

# The effort of a step between pixels of one color, in units of CIELAB: without it, all pixels of an
# even area would be equally far away.
STEP = 0.3


class Banded(Protocol):
    """Settings that say how wide the unknown band around a mask's edge is."""

    @property
    def band(self) -> float:
        """Half of its width, as a share of the object's size."""
        ...

    @property
    def band_pixels(self) -> float | None:
        """Half of its width in pixels, if it is the same for all objects; else None."""
        ...


def band_radius(mask: Mask, options: Banded) -> float:
    """How far from the mask's edge pixels are unknown, on both sides."""
    return max(1.0, options.band_pixels or options.band * mask.area**0.5)


def required_mask(mask: Mask | None) -> Mask:
    """The mask; `UnsupportedPrompt` where there is none to soften."""
    if mask is None:
        raise UnsupportedPrompt(
            "This model softens the edge of a mask, and there is none. Give it one, or use a "
            "recipe that finds the object first, such as 'subject-cutout'."
        )
    return mask


def core(pixels: Pixels, depth: float) -> Pixels:
    """Those of the pixels (h, w) that lie deeper than `depth` pixels inside their connected part.

    A part that is thinner keeps what lies deeper than half its own depth, so none is ever lost.
    What ends at the border of the array goes on beyond it.
    """
    if pixels.all():
        return pixels.copy()
    inside = np.asarray(ndimage.distance_transform_edt(pixels))
    parts, count = ndimage.label(pixels, CONNECTED)
    deepest = np.zeros(count + 1)
    np.maximum.at(deepest, parts[pixels], inside[pixels])
    return np.asarray(pixels & (inside > np.minimum(depth, deepest / 2)[parts]))


def nearer_by_color(colors: Floats, inside: Places, outside: Places) -> Pixels:
    """The pixels (h, w) with a smoother way to one that is inside than to one that is outside.

    `colors` is (h, w, 3) in a space where equal steps look equal; `inside` and `outside` are
    (n, 2) of rows and columns. The half of the border that is harder to reach is outside too.
    """
    ways, size_hw = _ways(colors), (colors.shape[0], colors.shape[1])
    effort = _effort(ways, inside, size_hw)
    border = np.ones(size_hw, np.bool_)
    border[1:-1, 1:-1] = False
    far = np.argwhere(border & (effort > np.median(effort[border])))
    return np.asarray(effort < _effort(ways, np.concatenate((outside, far)), size_hw))


def _ways(colors: Floats) -> sparse.csr_matrix:
    """The effort of each step from a pixel to its right or lower neighbor, as a graph."""
    height, width = colors.shape[:2]
    pixels = np.arange(height * width).reshape(height, width)
    right = np.linalg.norm(colors[:, 1:] - colors[:, :-1], axis=-1)
    down = np.linalg.norm(colors[1:] - colors[:-1], axis=-1)
    starts = np.concatenate((pixels[:, :-1].ravel(), pixels[:-1].ravel()))
    ends = np.concatenate((pixels[:, 1:].ravel(), pixels[1:].ravel()))
    efforts = np.concatenate((right.ravel(), down.ravel())) + STEP
    return sparse.csr_matrix((efforts, (starts, ends)), (pixels.size, pixels.size))


def _effort(ways: sparse.csr_matrix, places: Places, size_hw: tuple[int, int]) -> Floats:
    """How hard it is to come from the nearest of the places to each pixel (h, w)."""
    if not len(places):
        return np.full(size_hw, np.inf)
    starts = np.ravel_multi_index((places[:, 0], places[:, 1]), size_hw)
    efforts = dijkstra(ways, directed=False, indices=starts, min_only=True)
    return np.asarray(efforts, np.float64).reshape(size_hw)
