"""Films by PyAV, for pages: VP9 in WebM, which is free, or H.264 in MP4, which all players know."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import numpy as np

from premask.images import Rgb

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFormat:
    """What a film is written as; `fps` is a rate that the encoder plans for, not that of frames."""

    media_type: str
    container: str
    codec: Literal["libvpx-vp9", "libx264"]
    fps: int
    options: Mapping[str, str]

    @property
    def is_there(self) -> bool:
        """Whether this build of PyAV has the encoder."""
        return self.codec in av.codecs_available


WEBM = FilmFormat(
    media_type="video/webm",
    container="webm",
    codec="libvpx-vp9",
    fps=1000,
    options={"crf": "34", "b": "0", "deadline": "realtime", "cpu-used": "7", "g": "30"},
)
MP4 = FilmFormat(
    media_type="video/mp4",
    container="mp4",
    codec="libx264",
    # What it plans for says which devices can play it: with 1000, none could.
    fps=30,
    # Without frames that look ahead, the first one is at 0 and needs no list of edits.
    options={"crf": "24", "preset": "veryfast", "bf": "0", "g": "30"},
)


class FilmEncoder:
    """Frames of one size at any times; what comes out is kept in memory."""

    def __init__(self, size_hw: tuple[int, int], form: FilmFormat) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format=form.container)
        self._stream = self._container.add_stream(form.codec, rate=form.fps)
        # The colors of two neighbors are stored once, so that sides are even.
        self._stream.height, self._stream.width = (side + side % 2 for side in size_hw)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = MILLISECOND
        self._stream.bit_rate = 0
        self._stream.options = dict(form.options)
        self._last = -1

    def add(self, time: float, rgb: Rgb) -> None:
        """One more frame, with its time in seconds; a frame is shown for a millisecond at least."""
        height, width = rgb.shape[:2]
        padding = ((0, height % 2), (0, width % 2), (0, 0))
        frame = av.VideoFrame.from_ndarray(np.pad(rgb, padding, mode="edge"), format="rgb24")
        self._last = max(round(1000 * time), self._last + 1)
        frame.pts, frame.time_base = self._last, MILLISECOND
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """The whole file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()
