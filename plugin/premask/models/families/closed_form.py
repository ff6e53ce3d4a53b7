"""Closed-form matting (Levin, Lischinski, Weiss 2008) of the band around a mask's edge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from premask.geometry import box_slices, grow_box, pixel_box
from premask.images import Image, Rgb
from premask.masks import Alpha, Mask
from premask.models.options import ClosedFormOptions
from premask.models.parts.trimap import Pixels, band_radius, core, required_mask

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

EPSILON = 1e-7
"""Regularizes the spread of the colors in a window; the number is the paper's."""

STEADINESS = 1e-4
"""Regularizes the lines through colors by which a small solution gets its full size.

Without it they may be so steep that the image's noise shows in the alpha.
"""

MOST_UNKNOWN = 100_000
"""The direct solver takes about a second and 100 MB for so many pixels (docs/adr/0003)."""

MOST_PIXELS = 2_000_000
"""The distances to the mask's edge take half a second for so many pixels."""

THIN = 2
"""In a band of fewer pixels even hair is solved for better than it is known from its mask."""

WINDOW = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]

# The pixels that share a window with a pixel, and where the pair (i, j) of a window is among them.
SHARING = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
PAIRS = np.array([[SHARING.index((yj - yi, xj - xi)) for yj, xj in WINDOW] for yi, xi in WINDOW])


class ClosedFormMatter:
    """Mattes the object of a mask; what is far from the mask's edge stays as it is."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        """An algorithm needs neither weights nor a device."""

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: ClosedFormOptions
    ) -> list[Alpha]:
        """Alpha (height, width) of each masked object."""
        return [
            _matte(image, required_mask(mask), options)
            for image, mask in zip(images, masks, strict=True)
        ]


def _matte(image: Image, mask: Mask, options: ClosedFormOptions) -> Alpha:
    alpha = np.zeros(image.size_hw, np.uint8)
    if mask.area:
        radius = band_radius(mask, options)
        box = pixel_box(grow_box(mask.box_xyxy, radius + 2), image.size_hw)
        soft = _soft_edge(image.rgb[box_slices(box)], mask.crop(box), radius)
        alpha[box_slices(box)] = np.rint(soft * 255).astype(np.uint8)
    return alpha


def _soft_edge(rgb: Rgb, mask: Pixels, radius: float) -> Floats:
    """Alpha (h, w), 0 to 1. Up to `radius` pixels from the mask's edge it is solved for."""
    step = _block_side(mask, radius)
    share = _block_means(mask, step)
    inside, outside = _sure(share == 1, radius / step), _sure(share == 0, radius / step)
    # In a large image with nothing but hairlines, no block is inside, and none can be solved.
    if not inside.any():
        return mask.astype(np.float64)
    colors = _block_means(rgb, step) / 255
    alpha = _solved(colors, inside, ~(inside | outside)).clip(0, 1)
    return alpha if step == 1 else _carried(alpha, inside | outside, colors, rgb, step)


def _sure(pixels: Pixels, depth: float) -> Pixels:
    """Those of the pixels (h, w) that are not in the unknown band, which is `depth` wide.

    Hair belongs to one part with the head, and is thinner than a wide band: with nothing known in
    the hair nor between the hairs, what is solved for there drifts far from both. So the depth of
    what is near decides, and the middle of a hair is known. (In drawn scenes with a band of 10
    pixels the error was 1268 without this, 379 with it, and 368 for the mask itself; where the
    background is busy, wide bands stay worse than the mask.)
    """
    if depth < THIN or pixels.all():
        return core(pixels, depth)
    inside = np.asarray(ndimage.distance_transform_edt(pixels))
    deepest = ndimage.maximum_filter(inside, 2 * int(np.ceil(depth)) + 1)
    return np.asarray(pixels & (inside > np.minimum(depth, deepest / 2)))


def _block_side(mask: Pixels, radius: float) -> int:
    """The side of the blocks that are solved as one pixel; 1 unless the object is large."""
    edge = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    excess = max(mask.size / MOST_PIXELS, 2 * radius * edge / MOST_UNKNOWN)
    return max(1, int(np.ceil(excess**0.5)))


def _solved(rgb: Floats, inside: Pixels, unknown: Pixels) -> Floats:
    """Alpha (h, w): where it is unknown, that which lines in color space explain best."""
    if not unknown.any():
        return inside.astype(np.float64)
    height, width = unknown.shape
    # Images that are too small for a single window are filled up with their border's pixels.
    missing = [(0, max(0, 3 - height)), (0, max(0, 3 - width))]
    rgb = np.pad(rgb, [*missing, (0, 0)], "edge")
    inside, unknown = np.pad(inside, missing, "edge"), np.pad(unknown, missing, "edge")
    numbers = np.full(unknown.size, unknown.sum())
    numbers[unknown.ravel()] = np.arange(unknown.sum())
    weights, neighbors = _laplacian(rgb, unknown, numbers)
    matrix = _matrix(weights, numbers[neighbors])
    # With an ordering for symmetric matrices, the factors are a third as large as with SuperLU's
    # default one.
    factors = splu(matrix, "MMD_AT_PLUS_A", 0.0, options={"SymmetricMode": True})
    alpha = inside.astype(np.float64)
    alpha[unknown] = factors.solve(-(weights * inside.ravel()[neighbors]).sum(axis=1))
    return alpha[:height, :width]


def _laplacian(rgb: Floats, unknown: Pixels, numbers: Whole) -> tuple[Floats, Whole]:
    """The matting Laplacian's rows (n, 25) of the unknown pixels, and the pixel of each entry."""
    width = unknown.shape[1]
    centers = ndimage.maximum_filter(unknown, 3)
    centers[[0, -1]] = centers[:, [0, -1]] = False
    windows = np.flatnonzero(centers)[:, np.newaxis] + _steps(WINDOW, width)
    keys = numbers[windows][:, :, np.newaxis] * len(SHARING) + PAIRS
    count = int(unknown.sum())
    entries = np.bincount(
        keys.ravel(), _affinities(rgb, windows).ravel(), (count + 1) * len(SHARING)
    )
    neighbors = np.flatnonzero(unknown)[:, np.newaxis] + _steps(SHARING, width)
    rows = np.asarray(entries, np.float64).reshape(-1, len(SHARING))[:count]
    return rows, np.clip(neighbors, 0, unknown.size - 1).astype(np.int64)


def _affinities(rgb: Floats, windows: Whole) -> Floats:
    """What each window (n, 9) adds to the Laplacian for each pair of its pixels: (n, 9, 9)."""
    colors = rgb.reshape(-1, 3)[windows]
    colors -= colors.mean(axis=1, keepdims=True)
    transposed = colors.transpose(0, 2, 1)
    spread = (transposed @ colors + EPSILON * np.eye(3)) / len(WINDOW)
    alike = colors @ np.linalg.inv(spread) @ transposed
    return np.asarray(np.eye(len(WINDOW)) - (1 + alike) / len(WINDOW))


def _matrix(weights: Floats, columns: Whole) -> sparse.csc_matrix:
    """The rows (n, 25) as a sparse, symmetric matrix (n, n); other columns are left out."""
    count = len(weights)
    kept = columns < count
    ends = np.concatenate(([0], np.cumsum(kept.sum(axis=1))))
    return sparse.csc_matrix((weights[kept], columns[kept], ends), (count, count))


def _steps(offsets: list[tuple[int, int]], width: int) -> Whole:
    return np.array([dy * width + dx for dy, dx in offsets])


def _carried(alpha: Floats, known: Pixels, colors: Floats, rgb: Rgb, step: int) -> Floats:
    """Alpha (h, w) of an image from that of its blocks. Unknown pixels follow their color."""
    height, width = rgb.shape[:2]
    full = _spread(alpha, step)[:height, :width]
    unknown = np.nonzero(~_spread(known, step)[:height, :width])
    places = (np.array(unknown) + 0.5) / step - 0.5
    *slopes, level = (
        ndimage.map_coordinates(plane, places, order=1, mode="nearest")
        for plane in _color_lines(colors, alpha)
    )
    full[unknown] = level + (np.stack(slopes, axis=1) * rgb[unknown] / 255).sum(axis=1)
    return full.clip(0, 1)


def _color_lines(rgb: Floats, alpha: Floats) -> list[Floats]:
    """Three slopes and a level (h, w), so that alpha is about slopes * rgb + level (He 2013)."""
    mean_rgb, mean_alpha = _smooth(rgb), _smooth(alpha)
    products = rgb[..., :, np.newaxis] * rgb[..., np.newaxis, :]
    spread = _smooth(products) - mean_rgb[..., :, np.newaxis] * mean_rgb[..., np.newaxis, :]
    along = _smooth(rgb * alpha[..., np.newaxis]) - mean_rgb * mean_alpha[..., np.newaxis]
    slopes = np.linalg.solve(spread + STEADINESS * np.eye(3), along[..., np.newaxis])[..., 0]
    level = mean_alpha - (slopes * mean_rgb).sum(axis=-1)
    return [_smooth(plane) for plane in (*np.moveaxis(slopes, -1, 0), level)]


def _smooth(array: Floats) -> Floats:
    """Means of 3 x 3 pixels."""
    size = (3, 3) + (1,) * (array.ndim - 2)
    return np.asarray(ndimage.uniform_filter(array, size, mode="nearest"))


def _spread(blocks: NDArray[Any], step: int) -> NDArray[Any]:
    """Each block as step x step pixels."""
    return blocks.repeat(step, axis=0).repeat(step, axis=1)


def _block_means(array: NDArray[np.uint8] | Pixels, step: int) -> Floats:
    """Means of step x step pixels. Blocks that stick out are filled with the border's pixels."""
    height, width = array.shape[:2]
    missing = [(0, -height % step), (0, -width % step)] + [(0, 0)] * (array.ndim - 2)
    padded = np.pad(array, missing, "edge")
    blocks = padded.reshape(-1, step, padded.shape[1] // step, step, *array.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)))
