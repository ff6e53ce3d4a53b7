"""Annotations -> pictures: cut-outs, and images whose background is white, blurred or gray."""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Resampling
from scipy.ndimage import uniform_filter

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.files import LazyFiles
from premask.geometry import box_slices, grow_box, pixel_box
from premask.images import Rgb
from premask.labels.palette import Color
from premask.labels.png import png_from_picture
from premask.masks import Alpha
from premask.shaping.foreground import estimate_foreground
from premask.shaping.maps import alpha_map

WHITE: Color = (255, 255, 255)

_BLUR_SHARE = 0.04
"""The width of the blur's box filter, as a share of the image's longer side."""

_FINE_SIDE = 8
"""In pixels. Filters that are wider than this are applied to a smaller image: it looks the same."""


def cutout_files(labeled: Labeled, stem: str) -> LazyFiles:
    """A transparent cut-out of each annotation that has pixels, on its own box."""
    return {
        f"{stem}_{index}.png": partial(_cutout_png, labeled, annotation)
        for index, annotation in enumerate(labeled.annotations)
        if annotation.mask is not None and annotation.mask.area
    }


def white_background_files(labeled: Labeled, stem: str) -> LazyFiles:
    """The image with all of its objects on white."""
    return {f"{stem}.png": lambda: _png(on_color(labeled))}


def blurred_background_files(labeled: Labeled, stem: str) -> LazyFiles:
    """The image with everything but its objects out of focus."""
    return {f"{stem}.png": lambda: _png(on_blur(labeled))}


def gray_background_files(labeled: Labeled, stem: str) -> LazyFiles:
    """The image with everything but its objects in black and white."""
    return {f"{stem}.png": lambda: _png(on_gray(labeled))}


def cutout(
    rgb: Rgb, annotation: Annotation, *, padding: int = 0, full_size: bool = False
) -> NDArray[np.uint8]:
    """Red, green, blue and alpha (h, w, 4) of one object, on its box grown by `padding` pixels.

    The background is taken out of the colors of soft edges. Pixels that are fully transparent are
    black, so that nobody can make visible again what was cut away.
    """
    shape = annotation.matte or annotation.mask
    if shape is None:
        raise InvalidMask(
            f"There is no mask to cut '{annotation.label}' out with, only a box. Use a recipe that "
            "outlines or mattes."
        )
    size_hw = shape.size_hw
    padded = pixel_box(grow_box(shape.box_xyxy, padding), size_hw)
    part = box_slices((0, 0, size_hw[1], size_hw[0]) if full_size else padded)
    alpha = alpha_map((annotation,), size_hw)
    colors = rgb if annotation.matte is None else estimate_foreground(rgb, alpha)
    return np.dstack((np.where(alpha[part][..., None], colors[part], np.uint8(0)), alpha[part]))


def on_color(labeled: Labeled, color: Color = WHITE) -> Rgb:
    """All objects (height, width, 3) on one color, without the old background in soft edges."""
    alpha = _alpha(labeled)
    foreground = estimate_foreground(labeled.image.rgb, alpha)
    return _blended(foreground, np.array(color, np.uint8), alpha)


def on_blur(labeled: Labeled) -> Rgb:
    """The image (height, width, 3), out of focus where no object is."""
    alpha = _alpha(labeled)
    return _blended(labeled.image.rgb, _blurred_background(labeled.image.rgb, alpha), alpha)


def on_gray(labeled: Labeled) -> Rgb:
    """The image (height, width, 3), black and white where no object is."""
    rgb = labeled.image.rgb
    gray = np.asarray(PIL.Image.fromarray(rgb).convert("L"))
    return _blended(rgb, gray[..., None], _alpha(labeled))


def _alpha(labeled: Labeled) -> Alpha:
    return alpha_map(labeled.annotations, labeled.image.size_hw)


def _blended(front: Rgb, back: NDArray[np.uint8], alpha: Alpha) -> Rgb:
    """Both mixed by alpha, rounded; exactly `front` where it is 255 and `back` where it is 0."""
    share = alpha[..., None].astype(np.uint16)
    return ((front * share + back * (255 - share) + 127) // 255).astype(np.uint8)


def _blurred_background(rgb: Rgb, alpha: Alpha) -> Rgb:
    """The background out of focus, without the colors of the objects in front of it."""
    height, width = alpha.shape
    side = _BLUR_SHARE * max(height, width)
    step = max(1, int(side / _FINE_SIDE))
    behind = PIL.Image.fromarray(np.dstack((rgb, 255 - alpha)))
    small = behind.resize((-(-width // step), -(-height // step)), Resampling.BOX)
    blurred = _blurred(np.asarray(small, np.float32), window=2 * round(side / step / 2) + 1)
    return np.asarray(PIL.Image.fromarray(blurred).resize((width, height), Resampling.BILINEAR))


def _blurred(rgba: NDArray[np.float32], window: int) -> Rgb:
    """Mean colors (h, w, 3) around all pixels, weighted by alpha."""
    share = rgba[..., 3:]
    weighted = np.concatenate((rgba[..., :3] * share, share), axis=-1)
    for _ in range(3):  # three box filters are nearly a Gaussian, and cost the same at any width
        weighted = uniform_filter(weighted, (window, window, 1), mode="nearest")
    mean = weighted[..., :3] / np.maximum(weighted[..., 3:], np.float32(1e-6))
    return np.asarray(np.clip(mean + 0.5, 0, 255).astype(np.uint8))


def _cutout_png(labeled: Labeled, annotation: Annotation) -> bytes:
    return _png(cutout(labeled.image.rgb, annotation))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    # In photos hardly anything but neighbors is alike: looking for nothing but runs takes a third
    # of the time, and the files are no larger.
    return png_from_picture(PIL.Image.fromarray(pixels), strategy=zlib.Z_RLE)
