"""A clip with what was found drawn on it, as a small film that browsers play."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Protocol

import PIL.Image

from premask.images import Rgb
from premask.video.decoders import ASSUMED_FPS

MAX_FRAMES = 450
"""So many frames are in the film of a clip; of a longer one some, evenly."""

MAX_SIDE = 640

_WEBP_FRAMES = 150
"""Pillow keeps all frames of an animation in memory."""

_LONGEST = 0.2
"""A frame of an animation, which can't be moved by hand, is shown for so many seconds at most."""


class Film(Protocol):
    """Takes frames in their order, and ends as the bytes of a file."""

    media_type: str
    max_frames: int

    def add(self, time: float, rgb: Rgb) -> None:
        """One more frame; time is in seconds."""
        ...

    def finish(self) -> bytes:
        """The whole file."""
        ...


def film(size_hw: tuple[int, int]) -> Film:
    """A WebM video if PyAV is installed, else an animated WebP."""
    if find_spec("av") is not None:
        return _Video(size_hw)
    return _Animation()


class _Video:
    media_type = "video/webm"
    max_frames = MAX_FRAMES

    def __init__(self, size_hw: tuple[int, int]) -> None:
        from premask.video.pyav_encoder import WebmEncoder

        self._encoder = WebmEncoder(size_hw)

    def add(self, time: float, rgb: Rgb) -> None:
        self._encoder.add(time, rgb)

    def finish(self) -> bytes:
        return self._encoder.finish()


class _Animation:
    media_type = "image/webp"
    max_frames = _WEBP_FRAMES

    def __init__(self) -> None:
        self._pictures: list[PIL.Image.Image] = []
        self._times: list[float] = []

    def add(self, time: float, rgb: Rgb) -> None:
        self._pictures.append(PIL.Image.fromarray(rgb))
        self._times.append(time)

    def finish(self) -> bytes:
        buffer = io.BytesIO()
        if not self._pictures:
            return b""
        steps = [
            after - before for before, after in zip(self._times, self._times[1:], strict=False)
        ]
        steps.append(steps[-1] if steps else 1 / ASSUMED_FPS)
        self._pictures[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=self._pictures[1:],
            duration=[round(1000 * min(max(step, 0.02), _LONGEST)) for step in steps],
            loop=0,
            quality=70,
            method=2,
        )
        return buffer.getvalue()
