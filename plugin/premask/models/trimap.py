"""What surely belongs to an object, and what surely does not, from its rough mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels = NDArray[np.bool_]

# Diagonal neighbours belong to one part, as in COCO's own tools.
CONNECTED = np.ones((3, 3), np.bool_)


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
