"""A clip with what was found drawn on it, as a small film that browsers play."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Literal, Protocol

import PIL.Image

from premask.errors import MissingDependency
from premask.images import Rgb
from premask.video.decoders import ASSUMED_FPS

FilmKind = Literal["webm", "mp4", "webp"]

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


def film(size_hw: tuple[int, int], kind: FilmKind | None = None) -> Film:
    """A film of this kind; by default a WebM video if PyAV is installed, else an animated WebP.

    Where PyAV was built without H.264, an MP4 is a WebM.
    """
    has_pyav = find_spec("av") is not None
    if kind == "webp" or (kind is None and not has_pyav):
        return _Animation()
    if not has_pyav:
        raise MissingDependency(
            f"A film as {kind} needs the package 'av', which is not installed. Install it with: "
            "pip install 'premask[video]'"
        )
    return _Video(size_hw, as_mp4=kind == "mp4")


class _Video:
    max_frames = MAX_FRAMES

    def __init__(self, size_hw: tuple[int, int], *, as_mp4: bool) -> None:
        from premask.video.pyav_encoder import MP4, WEBM, FilmEncoder

        form = MP4 if as_mp4 and MP4.is_there else WEBM
        self.media_type = form.media_type
        self._encoder = FilmEncoder(size_hw, form)

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
