"""JPEG files -> RGB by libjpeg-turbo itself, with simplejpeg: the same pixels, sooner.

Pillow has the same decoder inside, and then takes as long again to copy pixels from form to form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np
import PIL.Image
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Pixels = NDArray[np.void]

# What EXIF's orientation says, and what turns a picture (height, width) upright.
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: pixels[::-1].T,
    7: lambda pixels: pixels[::-1, ::-1].T,
    8: lambda pixels: pixels[:, ::-1].T,
}


def decode_jpeg(data: bytes, opened: PIL.Image.Image, orientation: int) -> Rgb | None:
    """The upright pixels of a file that Pillow has opened, and not read.

    It is None for what is left to Pillow: other kinds of files and colors, and all that is not as
    it should be, so that there is one opinion on what is broken.
    """
    decode = _decoder()
    if decode is None or opened.format not in ("JPEG", "MPO") or opened.mode != "RGB":
        return None
    try:
        rgb = decode(data, "RGB")
    except ValueError:
        return None
    if rgb.shape != (opened.height, opened.width, 3):
        return None
    # As one value a pixel, numpy turns them twice as fast.
    turned = _TURNS.get(orientation, _TURNS[1])(rgb.view("V3")[..., 0])
    return np.ascontiguousarray(turned).view(np.uint8).reshape(*turned.shape, 3)


@cache
def _decoder() -> Callable[[bytes, str], Rgb] | None:
    try:
        decode: Callable[[bytes, str], Rgb] = import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return decode
