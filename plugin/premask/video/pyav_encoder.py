"""WebM by PyAV, for pages: VP9 is played by all browsers, and free."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

from premask.images import Rgb

MILLISECOND = Fraction(1, 1000)


class WebmEncoder:
    """Frames of one size at any times; what comes out is kept in memory."""

    def __init__(self, size_hw: tuple[int, int], *, quality: int = 34) -> None:
        """`quality` is VP9's from 0, the best, to 63."""
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="webm")
        self._stream = self._container.add_stream("libvpx-vp9", rate=1000)
        # The colors of two neighbors are stored once, so that sides are even.
        self._stream.height, self._stream.width = (side + side % 2 for side in size_hw)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = MILLISECOND
        self._stream.bit_rate = 0
        self._stream.options = {
            "crf": str(quality),
            "b": "0",
            "deadline": "realtime",
            "cpu-used": "7",
            "g": "30",
        }
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
