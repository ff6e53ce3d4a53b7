"""How well masks and mattes agree with the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.errors import InvalidMask
from premask.geometry import hull
from premask.masks import Mask, Matte, Size

BOUNDARY_SHARE = 0.02
"""Of the image's diagonal: how wide the compared edges are (Cheng et al., Boundary IoU, 2021)."""


@dataclass(slots=True)
class Agreement:
    """How the masks of one class agree with the truth: all that were compared so far."""

    pairs: int = 0
    ious: float = 0.0
    boundary_ious: float = 0.0
    shared_pixels: int = 0
    pixels: int = 0
    true_pixels: int = 0

    def add(self, mask: Mask, truth: Mask) -> None:
        """Compare one mask with what it should be."""
        shared = mask.intersection(truth).area
        self.pairs += 1
        self.shared_pixels += shared
        self.pixels += mask.area
        self.true_pixels += truth.area
        self.ious += mask.iou(truth)
        self.boundary_ious += boundary_iou(mask, truth)

    @property
    def mean_iou(self) -> float:
        """The mean over the pairs, large or small."""
        return _share(self.ious, self.pairs)

    @property
    def mean_boundary_iou(self) -> float:
        """The mean over the pairs, large or small."""
        return _share(self.boundary_ious, self.pairs)

    @property
    def pixel_iou(self) -> float:
        """The IoU of all masks together, as if they were one: large objects count more."""
        return _share(self.shared_pixels, self.pixels + self.true_pixels - self.shared_pixels)

    @property
    def pixel_precision(self) -> float:
        """The share of the pixels that are right."""
        return _share(self.shared_pixels, self.pixels)

    @property
    def pixel_recall(self) -> float:
        """The share of the true pixels that were found."""
        return _share(self.shared_pixels, self.true_pixels)


def boundary_iou(mask: Mask, truth: Mask) -> float:
    """IoU of what lies near the two outlines, 0 to 1; 1 when neither has a pixel.

    Large objects hide bad edges in a good IoU, but not in this one.
    """
    if not mask.area and not truth.area:
        return 1.0
    width = boundary_width(truth.size_hw)
    return boundary(mask, width).iou(boundary(truth, width))


def boundary_width(size_hw: Size) -> int:
    """How many pixels wide the edges are in an image of this size; one at least."""
    return max(1, round(BOUNDARY_SHARE * math.hypot(*size_hw)))


def boundary(mask: Mask, width: int) -> Mask:
    """The mask's pixels at most `width` steps, diagonal ones too, from what is not the mask.

    As in the paper's own code, the image's border counts as an edge.
    """
    crop = mask.crop()
    if not crop.size:
        return mask
    inner: NDArray[np.bool_] = ndimage.minimum_filter(crop, 2 * width + 1, mode="constant", cval=0)
    return Mask.from_crop(crop & ~inner, mask.box_xyxy[:2], mask.size_hw)


def sad(matte: Matte, truth: Matte) -> float:
    """Sum of absolute differences of alpha (0 to 1), in thousands of pixels, over the image.

    Rhemann et al. (2009) sum over the unknown part of a trimap; without one, all pixels count.
    """
    return float(np.abs(_difference(matte, truth)).sum()) / 255 / 1000


def mse(matte: Matte, truth: Matte) -> float:
    """Mean squared difference of alpha (0 to 1), over all pixels of the image."""
    difference = _difference(matte, truth)
    return float(np.square(difference).sum()) / 255**2 / math.prod(truth.size_hw)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _difference(matte: Matte, truth: Matte) -> NDArray[np.int64]:
    """Alpha less the true alpha, on the box that holds both."""
    if matte.size_hw != truth.size_hw:
        raise InvalidMask(
            f"These mattes belong to images of different sizes: {matte.size_hw} and "
            f"{truth.size_hw}. Compare mattes of the same image."
        )
    box = hull([matte.box_xyxy, truth.box_xyxy])
    return matte.crop(box).astype(np.int64) - truth.crop(box)
