"""How well an object was followed: J and F, as the DAVIS challenge of 2017 defines them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.masks import Mask

CONTOUR_SHARE = 0.008
"""Of the image's diagonal: how far apart two contours may be and still be the same."""

Pixels = NDArray[np.bool_]


def region_similarity(mask: Mask, truth: Mask) -> float:
    """J: the IoU, but 1 where neither has a pixel."""
    return 1.0 if not mask.area and not truth.area else mask.iou(truth)


def contour_accuracy(mask: Mask, truth: Mask) -> float:
    """F: the harmonic mean of how much of each contour lies near the other one."""
    ours, theirs = contour(mask.to_array()), contour(truth.to_array())
    if not ours.any() and not theirs.any():
        return 1.0
    near = math.ceil(CONTOUR_SHARE * math.hypot(*truth.size_hw))
    precision = (ours & _grown(theirs, near)).sum() / max(1, ours.sum()) if ours.any() else 1.0
    recall = (theirs & _grown(ours, near)).sum() / max(1, theirs.sum()) if theirs.any() else 1.0
    both = float(precision + recall)
    return 2 * float(precision * recall) / both if both else 0.0


def track_scores(masks: Sequence[Mask], truths: Sequence[Mask]) -> tuple[float, float]:
    """J and F of one object, as means over its frames; the first and the last one don't count.

    The mask of the first one is given, and DAVIS leaves out the last one as well.
    """
    pairs = list(zip(masks, truths, strict=True))[1:-1]
    regions = [region_similarity(mask, truth) for mask, truth in pairs]
    contours = [contour_accuracy(mask, truth) for mask, truth in pairs]
    return float(np.mean(regions)), float(np.mean(contours))


def contour(pixels: Pixels) -> Pixels:
    """The pixels (h, w) that differ from the next one to the right, below, or both."""
    padded = np.pad(pixels, ((0, 1), (0, 1)), mode="edge")
    right, below, both = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return np.asarray((pixels != right) | (pixels != below) | (pixels != both))


def _grown(pixels: Pixels, radius: int) -> Pixels:
    """All pixels at most so far from these."""
    if not pixels.any():
        return pixels
    return np.asarray(ndimage.distance_transform_edt(~pixels) <= radius)
