"""Videos by PyAV, which also begins in the middle, at exactly the frame that is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import av.container
import numpy as np

from premask.errors import UnreadableVideo
from premask.images import Rgb
from premask.video.containers import COUNTING
from premask.video.decoders import MOST_FPS, Clock, Header, Picture, Wanted


class PyavDecoder:
    """One file; its frames are turned here."""

    def __init__(self, path: Path, name: str, kind: str) -> None:
        self._path, self._name = path, name
        self._is_stamped = True
        with self._opened() as (container, stream):
            self._base = stream.time_base or Fraction(1)
            size_hw = (stream.height, stream.width)
            fps, count = float(stream.average_rate or 0), stream.frames
            if not count and container.duration:
                count = round(container.duration / av.time_base * fps)
            with self._reporting(lambda: 0):
                for frame in container.decode(stream):
                    rgb = _upright(frame)
                    size_hw = (rgb.shape[0], rgb.shape[1])
                    break
            # AVI knows only the order of decoding; what FFmpeg makes of it goes back and forth.
            self._is_stamped = not (kind == "avi" and stream.codec_context.has_b_frames)
            self.header = Header(
                size_hw=size_hw,
                fps=fps if 0 < fps < MOST_FPS else 0.0,
                frame_count=count,
                is_count_exact=kind in COUNTING and stream.frames > 0,
            )

    def index_at(self, time: float) -> int:
        """The frame before the first one from this time on, by the file's list of frames."""
        stamps = self._stamps if time and self._is_stamped else []
        return max(0, bisect_left(stamps, stamps[0] + time / self._base) - 1) if stamps else 0

    def pictures(self, first: int, wanted: Wanted) -> Iterator[Picture]:
        """The wanted frames, decoded from the key frame before `first` on."""
        stamps = self._stamps if first and self._is_stamped else []
        clock, index = Clock(self.header.fps), 0
        with self._opened() as (container, stream), self._reporting(lambda: index):
            if first < len(stamps):
                container.seek(stamps[first], stream=stream)
            for frame in container.decode(stream):
                stamp = frame.pts if self._is_stamped else None
                if not index and stamp is not None and stamps and stamp > stamps[0]:
                    clock.time(float(stamps[0] * self._base))
                    index = bisect_left(stamps, stamp)
                time = clock.time(None if stamp is None else float(stamp * self._base))
                if index >= first and wanted(index, time):
                    yield index, time, _upright(frame)
                index += 1

    @cached_property
    def _stamps(self) -> list[int]:
        """When each frame is shown, from all packets; nothing where they don't tell it."""
        with self._opened() as (container, stream):
            try:
                stamps = [
                    packet.pts
                    for packet in container.demux(stream)
                    if packet.size and not packet.is_discard
                ]
            except av.FFmpegError:
                return []  # decoding will say where the file is broken
        known = [stamp for stamp in stamps if stamp is not None]
        return sorted(known) if len(known) == len(stamps) else []

    @contextmanager
    def _reporting(self, frame: Callable[[], int]) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            reason = f"it is broken ({error.strerror or error})"
            raise UnreadableVideo(self._name, reason, frame=frame()) from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
        try:
            container = av.open(self._path.absolute(), options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError) as error:
            raise UnreadableVideo(
                self._name, f"the file is broken or cut off ({error.strerror or error})"
            ) from error
        with container:
            if not container.streams.video:
                raise UnreadableVideo(self._name, "it has sound, but no video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream


def _upright(frame: av.VideoFrame) -> Rgb:
    rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90 % 4))
