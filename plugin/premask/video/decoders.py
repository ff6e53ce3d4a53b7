"""What a decoder of clips does, and what it says of a clip before any frame is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from premask.images import Rgb

ASSUMED_FPS = 24.0
"""The rate of a clip that does not tell it, such as a folder of frames; that of cinema."""

MOST_FPS = 1000.0
"""Files without a rate are said to have one of 90,000, which is the unit of their times."""

Wanted = Callable[[int, float], bool]
"""Whether a frame of this index, at this time, is to be converted to RGB."""

Picture = tuple[int, float, Rgb]
"""A frame's index, its time in seconds from the first frame, and its upright pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the file says. The rate and the number of frames are 0 where it does not say it.

    `is_count_exact` tells a number that was written down from one that was worked out.
    """

    size_hw: tuple[int, int]
    fps: float = 0.0
    frame_count: int = 0
    is_count_exact: bool = False


class Decoder(Protocol):
    """Decodes one clip; each call of `pictures` begins anew, so that several can be under way."""

    header: Header

    def index_at(self, time: float) -> int:
        """A frame that is shown at this time or before it; 0 if only decoding could tell which."""
        ...

    def pictures(self, first: int, wanted: Wanted) -> Iterator[Picture]:
        """The wanted frames in the order in which they are shown, from the index `first` on.

        Raises `UnreadableVideo` behind the last frame that could be read, if the clip is broken.
        """
        ...


class Clock:
    """Times that begin at 0 and always go on, whatever the file says of its frames."""

    def __init__(self, fps: float) -> None:
        self._step = 1 / (fps or ASSUMED_FPS)
        self._start: float | None = None
        self._last = -self._step

    def time(self, stamp: float | None) -> float:
        """The time of the next frame; `stamp` is what the file says, in seconds, or None."""
        if stamp is not None and self._start is None:
            self._start = stamp - self._last - self._step
        moved = None if stamp is None or self._start is None else stamp - self._start
        self._last = moved if moved is not None and moved > self._last else self._last + self._step
        return self._last
