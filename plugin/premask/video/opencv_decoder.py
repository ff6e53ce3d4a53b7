"""Videos by OpenCV: from the first frame on, never by the number of a frame.

OpenCV's own seeking by number leads to other frames where their rate varies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from premask.errors import UnreadableVideo
from premask.images import Rgb
from premask.video.containers import COUNTING
from premask.video.decoders import MOST_FPS, Clock, Header, Picture, Wanted


class OpencvDecoder:
    """One file. OpenCV turns frames upright by itself."""

    def __init__(self, path: Path, name: str, kind: str) -> None:
        self._path, self._name = path, name
        with self._opened() as capture:
            size_wh = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            width, height = (int(capture.get(side)) for side in size_wh)
            fps = float(capture.get(cv2.CAP_PROP_FPS))
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            # Without the codec (AV1's, say) it opens a file all the same, as if it had no frames.
            if not capture.grab():
                code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
                codec = code.decode("latin-1").strip("\0 ") or "unknown"
                raise self._unreadable(f"get a frame out of it (codec: {codec})")
        self.header = Header(
            size_hw=(height, width),
            fps=fps if 0 < fps < MOST_FPS else 0.0,
            frame_count=max(0, count),
            is_count_exact=kind in COUNTING and count > 0,
        )

    def index_at(self, time: float) -> int:
        """Without decoding, OpenCV does not know."""
        return 0

    def pictures(self, first: int, wanted: Wanted) -> Iterator[Picture]:
        """All frames are decoded; only those that are wanted are converted."""
        with self._opened() as capture:
            clock, index = Clock(self.header.fps), 0
            while capture.grab():
                time = clock.time(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if index >= first and wanted(index, time):
                    yield index, time, self._rgb(capture, index)
                index += 1

    def _rgb(self, capture: cv2.VideoCapture, index: int) -> Rgb:
        is_there, bgr = capture.retrieve()
        if not is_there:
            raise UnreadableVideo(self._name, f"frame {index} can't be decoded", frame=index)
        rgb: Rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return rgb

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        # The other ways in which OpenCV opens files take the name for a pattern of names.
        capture = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise self._unreadable("open it")
            yield capture
        finally:
            capture.release()

    def _unreadable(self, what: str) -> UnreadableVideo:
        return UnreadableVideo(
            self._name,
            f"OpenCV can't {what}: the file is broken or cut off, holds no video, or needs a codec "
            "that OpenCV lacks. PyAV has more of them, and says what is wrong: pip install "
            "'premask[video]'",
        )
