"""What an object looks like: a picture of it that is kept, with its mask and its colors."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.geometry import IntBox, box_slices, grow_box, pixel_box
from premask.images import Rgb
from premask.masks import Mask
from premask.models.families.flow.motion import Affine, Floats, Gray, Pixels, after, resized

LONGEST = 192
"""A view is kept no larger than this, in pixels."""

MARGIN = 0.3
"""So much of its surroundings is in the view, as a share of its size: the flow needs them."""

SMALL_HOLE = 0.03
"""Holes of less than this share of the object are filled."""

BINS = 24
"""Colors are counted in so many steps of each of the channels a and b, and half as many of L."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A picture of an object and what surrounds it, the object's soft mask, and both's colors.

    `known` is 1 where the frame was, and 0 beyond its border, where all is a guess. `colors` and
    `surroundings` say how often a color is met there, and sum up to 1.
    """

    rgb: Rgb
    alpha: Floats
    known: Gray
    colors: Floats
    surroundings: Floats

    @property
    def gray(self) -> Gray:
        gray: Gray = cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY)
        return gray

    @property
    def inside(self) -> Pixels:
        """The pixels of the object that were seen."""
        return np.asarray((self.alpha >= 0.5) & (self.known > 0))


def view_of(rgb: Rgb, mask: Mask) -> tuple[View, Affine]:
    """A view of the object, and the motion from the view's pixels to the frame's.

    An object that touches the frame's border is taken to go on beyond it.
    """
    x0, y0, x1, y1 = mask.box_xyxy
    margin = round(8 + MARGIN * max(x1 - x0, y1 - y0))
    around = x0 - margin, y0 - margin, x1 + margin, y1 + margin
    crop = _beyond_borders(rgb, around)
    alpha = _beyond_borders(mask.to_array().astype(np.uint8), around).astype(np.float32)
    factor = min(1.0, LONGEST / max(alpha.shape))
    size_wh = tuple(max(1, round(side * factor)) for side in alpha.shape[::-1])
    small = np.asarray(cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = np.asarray(cv2.resize(alpha, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    known = cv2.resize(_in_frame(around, mask.size_hw), size_wh, interpolation=cv2.INTER_NEAREST)
    shift = np.array([[1.0, 0, around[0]], [0, 1.0, around[1]]])
    view = View(
        rgb=small,
        alpha=alpha,
        known=np.asarray(known, np.uint8),
        colors=_color_counts(small, (alpha > 0.9) & (known > 0)),
        surroundings=_color_counts(small, (alpha < 0.1) & (known > 0)),
    )
    return view, after(shift, resized(1 / factor))


def _in_frame(box_xyxy: IntBox, size_hw: tuple[int, int]) -> Gray:
    """1 for the pixels of the box that are in the frame, 0 for others."""
    x0, y0, x1, y1 = box_xyxy
    pixels = np.zeros((y1 - y0, x1 - x0), np.uint8)
    pixels[max(0, -y0) : size_hw[0] - y0, max(0, -x0) : size_hw[1] - x0] = 1
    return pixels


def _beyond_borders(pixels: NDArray[np.uint8], box_xyxy: IntBox) -> NDArray[np.uint8]:
    """The pixels in a box; beyond the borders of the frame they repeat those at the border."""
    x0, y0, x1, y1 = box_xyxy
    height, width = pixels.shape[:2]
    inner = box_slices(pixel_box(box_xyxy, (height, width)))
    sides = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
    return np.asarray(cv2.copyMakeBorder(pixels[inner], *sides, cv2.BORDER_REPLICATE), np.uint8)


def likeness(rgb: Rgb, view: View) -> Floats:
    """How likely each pixel (h, w) has a color of the object and not of its surroundings, 0 to 1.

    A color that was met in neither is not the object's.
    """
    index = _bins(rgb)
    ours, others = view.colors[index], view.surroundings[index]
    return np.asarray(ours / (ours + others + 2e-4), np.float32)


def _color_counts(rgb: Rgb, where: Pixels) -> Floats:
    """The share of each color, spread a little over those that are next to it."""
    counts = np.zeros((BINS // 2, BINS, BINS), np.float32)
    np.add.at(counts, tuple(channel[where] for channel in _bins(rgb)), 1)
    for axis in range(3):
        counts = np.asarray(
            0.5 * counts + 0.25 * np.roll(counts, 1, axis) + 0.25 * np.roll(counts, -1, axis)
        )
    return counts / max(1.0, float(counts.sum()))


def _bins(rgb: Rgb) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.int32)
    # Of a and b, most photos use only the middle.
    a, b = (np.clip((lab[..., channel] - 128) // 4 + BINS // 2, 0, BINS - 1) for channel in (1, 2))
    lightness = lab[..., 0] * (BINS // 2) // 256
    return lightness.astype(np.intp), a.astype(np.intp), b.astype(np.intp)


def edge_found_anew(rgb: Rgb, likely: Floats, view: View, radius: int) -> Pixels:
    """The object's pixels (h, w) near where it is likely; its edge is where the colors end.

    `likely` is 0 to 1. What lies farther than `radius` from its edge stays as it is.
    """
    carried = np.asarray(likely >= 0.5)
    ring = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    core = cv2.erode(carried.astype(np.uint8), ring, borderValue=1)
    reach = cv2.dilate(carried.astype(np.uint8), ring)
    colored = likeness(rgb, view)
    blurred = cv2.GaussianBlur(likely, (0, 0), max(0.8, radius / 2))
    evidence = _logit(blurred) + 0.7 * _logit(colored)
    smooth = _guided(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), evidence, max(1, radius))
    found = (smooth > 0) & (reach > 0) | (core > 0)
    return _without_small_holes(np.asarray(found, np.bool_))


def _without_small_holes(pixels: Pixels) -> Pixels:
    """A mouth that opens is no hole in a face; what is larger may be seen through the object."""
    holes, count = ndimage.label(~pixels)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    rim = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    small = sizes < SMALL_HOLE * pixels.sum()
    small[rim] = False
    small[0] = False
    return np.asarray(pixels | small[holes])


def _logit(share: Floats) -> Floats:
    bounded = np.clip(share, 0.03, 0.97)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def _guided(gray: Gray, values: Floats, radius: int) -> Floats:
    """Smooth values within areas of one brightness, not across their edges (He et al., 2010)."""
    side = 2 * radius + 1, 2 * radius + 1
    guide = np.asarray(gray, np.float32) / np.float32(255)

    def mean(array: NDArray[np.floating]) -> Floats:
        return np.asarray(cv2.blur(array, side), np.float32)

    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (
        mean(guide * guide) - mean_guide**2 + 1e-3
    )
    offset = mean_values - slope * mean_guide
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)


def box_around(alpha: Floats, size_hw: tuple[int, int], margin: int) -> IntBox | None:
    """The box of what is not 0, grown; None if all is 0."""
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not len(rows):
        return None
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return pixel_box(grow_box(box, margin), size_hw)
