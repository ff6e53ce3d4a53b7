"""Clips for tests, with the number of each frame painted into it so that code can read it back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

BITS = 12
"""A number is painted as so many black and white stripes over the whole height, lowest bit left."""


def painted(number: int, size_hw: tuple[int, int] = (48, 96)) -> Rgb:
    """A frame that shows the number."""
    height, width = size_hw
    stripes = np.arange(width) * BITS // width
    bits = (number >> stripes) & 1
    return np.ascontiguousarray(
        np.broadcast_to((bits * 255)[None, :, None], (height, width, 3)), np.uint8
    )


def read_number(rgb: Rgb) -> int:
    """The number that a frame shows."""
    width = rgb.shape[1]
    centers = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centers) if rgb[:, x].mean() > 127)


def write_clip(
    path: Path,
    frames: Sequence[Rgb],
    *,
    times: Sequence[float] | None = None,
    fps: int = 10,
    pixels: str = "yuv420p",
    codec: str = "libx264",
    faststart: bool = False,
    crf: int = 18,
) -> Path:
    """Encode frames with key frames at every tenth, and others between that refer to later ones.

    By default they follow at a constant rate; else `times` are their seconds.
    """
    base = Fraction(1, fps) if times is None else Fraction(1, 1000)
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        height, width = frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = base
        if codec == "libx264":
            stream.options = {"g": "10", "bf": "2", "crf": str(crf)}
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = number if times is None else round(1000 * times[number])
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path) -> Path:
    """Say in an MP4 that it is to be shown turned by 90 degrees, as cameras of phones do."""
    data = bytearray(path.read_bytes())
    one = bytes((0, 1, 0, 0))
    straight = one + bytes(12) + one + bytes(12) + bytes((64, 0, 0, 0))
    at = data.index(straight, data.index(b"tkhd"))
    data[at : at + 16] = bytes(4) + one + bytes(4) + bytes((255, 255, 0, 0))
    data[at + 16 : at + 20] = bytes(4)
    path.write_bytes(data)
    return path
