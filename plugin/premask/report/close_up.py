"""One object from near: a square of the photo around it, with its mask, or else its box."""

from __future__ import annotations

import numpy as np
import PIL.Image

from premask.annotations import Annotation, Labeled
from premask.geometry import IntBox, pixel_box
from premask.images import Image
from premask.masks import Mask
from premask.report.draw import colors_on, object_mask, overlay, paint_box, paint_mask
from premask.report.lettering import Color

AROUND = 1.35
"""A close-up shows the object's box so many times as large."""

LEAST = 8.0
"""The shortest side of what a close-up shows, in pixels of the photo."""

GRAY = (96, 96, 96)
"""Beside a photo that is not wide or high enough."""

GAP = 8
"""Pixels between a close-up and the whole photo."""


def close_up(
    image: Image,
    annotation: Annotation,
    color: Color,
    *,
    side: int,
    around: float = AROUND,
    least: float = LEAST,
) -> PIL.Image.Image:
    """Draw the object on a square of `side` pixels.

    `around` says how many times as large as the object's box the part of the photo is.
    """
    part = _square_around(annotation, image.size_hw, around, least)
    pixels = np.array(_fitted(PIL.Image.fromarray(image.cropped(part).rgb), side))
    height, width = pixels.shape[:2]
    mask = object_mask(annotation)
    if mask is not None:
        paint_mask(pixels, Mask.from_array(mask.crop(part)), color)
    else:
        scale, (left, top) = width / (part[2] - part[0]), part[:2]
        x0, y0, x1, y1 = annotation.box_xyxy
        on_part = (x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale
        paint_box(pixels, pixel_box(on_part, (height, width)), color, width=2)
    square = PIL.Image.new("RGB", (side, side), GRAY)
    square.paste(PIL.Image.fromarray(pixels), ((side - width) // 2, (side - height) // 2))
    return square


def with_surroundings(image: Image, annotation: Annotation, *, side: int) -> PIL.Image.Image:
    """The object from near on the left, and where it is in the whole photo on the right."""
    alone = Labeled(image=image, annotations=(annotation,))
    (color,) = colors_on(alone)
    near = close_up(image, annotation, color, side=side, around=1.8, least=48.0)
    whole = overlay(alone, max_side=side, own_colors=[color])
    picture = PIL.Image.new("RGB", (near.width + GAP + whole.width, side), GRAY)
    picture.paste(near, (0, 0))
    picture.paste(whole, (near.width + GAP, (side - whole.height) // 2))
    return picture


def _fitted(photo: PIL.Image.Image, side: int) -> PIL.Image.Image:
    scale = side / max(photo.size)
    width, height = (max(1, round(length * scale)) for length in photo.size)
    return photo.resize((width, height), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)


def _square_around(
    annotation: Annotation, size_hw: tuple[int, int], around: float, least: float
) -> IntBox:
    """A square around the object, moved onto the photo; smaller where the photo is."""
    x0, y0, x1, y1 = annotation.box_xyxy
    side = max(least, around * max(x1 - x0, y1 - y0))
    starts = []
    for start, end, whole in ((x0, x1, size_hw[1]), (y0, y1, size_hw[0])):
        starts.append(max(0.0, min((start + end - side) / 2, whole - side)))
    left, top = starts
    return pixel_box((left, top, left + side, top + side), size_hw)
