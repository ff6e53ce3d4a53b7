"""Objects in a clip -> regions of Label Studio's videos: moving boxes, and spans of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from premask.geometry import Box
from premask.labels.label_studio.keyframes import Keyframe, sequence_of
from premask.labels.label_studio.shapes import Json, percent_box
from premask.masks import Size

SEEK_SECONDS = 0.002
"""The editor seeks so far behind the beginning of a frame, which browsers don't meet exactly."""

DEFAULT_RATE = 24.0
"""The `frameRate` of a <Video> that has none."""

MOST_RATE = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Where an object is from this time of the clip on, or that it is not there."""

    time: float
    box_xyxy: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The frames that the editor counts in a clip: `rate` a second, from 1 on.

    They are others than those of the file where that has another rate: then the editor shows the
    same picture in several frames, or leaves pictures out.
    """

    rate: float
    duration: float

    @property
    def length(self) -> int:
        """The last frame."""
        return max(1, round(self.duration * self.rate))

    def time_of(self, frame: int) -> float:
        """When the picture is shown that the editor shows in this frame."""
        return (frame - 1) / self.rate + SEEK_SECONDS

    def first_frame(self, time: float) -> int:
        """The first frame that shows the picture that begins at this time."""
        return max(1, math.ceil((time - SEEK_SECONDS) * self.rate - 1e-6) + 1)

    def position(self, time: float, until: float) -> float:
        """Where the editor shows a picture, which is over at `until`; between two frames if never.

        There it shows others, but moves boxes as if it showed all. None is behind the last frame.
        """
        frame = self.first_frame(time)
        shown = frame < self.first_frame(until)
        return min(frame if shown else time * self.rate + 1, self.length)

    def boxes(self, sightings: Iterable[Seen], end: float, size_hw: Size) -> dict[int, Json]:
        """The boxes in percent by frame; `end` is when the last picture is over."""
        boxes: dict[int, Json] = {}
        for seen, until in _with_ends(sightings, end):
            if seen.box_xyxy is not None:
                last = min(self.first_frame(until) - 1, self.length)
                box = percent_box(seen.box_xyxy, size_hw)
                boxes |= dict.fromkeys(range(self.first_frame(seen.time), last + 1), box)
        return boxes

    def value(
        self, boxes: Mapping[int, Json], labels: Sequence[str], fixed: Sequence[Keyframe] = ()
    ) -> Json:
        """The value of a region of <VideoRectangle> with these boxes; `fixed` are a person's."""
        return {
            "framesCount": self.length,
            "duration": self.duration,
            "sequence": sequence_of(boxes, fixed, rate=self.rate, length=self.length),
            "labels": list(labels),
        }


def spans_of(frames: Iterable[int]) -> Iterator[Json]:
    """The ranges of <TimelineLabels> with these frames.

    >>> list(spans_of([7, 1, 2, 3]))
    [{'start': 1, 'end': 3}, {'start': 7, 'end': 7}]
    """
    start = end = None
    for frame in sorted(frames):
        if start is None or end is None:
            start = frame
        elif frame != end + 1:
            yield {"start": start, "end": end}
            start = frame
        end = frame
    if start is not None:
        yield {"start": start, "end": end}


def frame_rate(said: object) -> float:
    """The rate that the editor makes of a `frameRate`.

    >>> frame_rate("29.97"), frame_rate("0.04"), frame_rate("fast"), frame_rate("0")
    (29.97, 25.0, 24.0, 24.0)
    """
    try:
        rate = float(str(said))
    except ValueError:
        return DEFAULT_RATE
    if not rate > 0 or math.isinf(rate):
        return DEFAULT_RATE
    return min(MOST_RATE, 1 / rate if rate < 1 else rate)


def _with_ends(sightings: Iterable[Seen], end: float) -> Iterator[tuple[Seen, float]]:
    """Each with the time at which the next one begins."""
    before = None
    for seen in sightings:
        if before is not None:
            yield before, seen.time
        before = seen
    if before is not None:
        yield before, max(end, before.time)
