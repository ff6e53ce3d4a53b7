"""Boxes that move <-> the keyframes of a <VideoRectangle>, as Label Studio's editor reads them.

Between two keyframes the editor draws a box whose five numbers change evenly; before the first one
it draws none, behind the last one it stays. A keyframe that is not `enabled` still shows the box,
and no frame behind it does, up to the next keyframe.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.labels.label_studio.shapes import Json, rectangle_box
from premask.masks import Size

CLOSE = 0.95
"""How much the box that the editor draws must overlap with the one that was tracked (IoU)."""

DIGITS = 4
"""Of percent: a millionth of the image."""

OWN_KEY = "premask"
"""What marks a keyframe as premask's own, with what it was when it was written. The editor keeps
the mark when a person moves the keyframe, and copies it into new ones: then it doesn't fit."""

NUMBERS = ("x", "y", "width", "height", "rotation")
MOST_FRAMES = 2**24
"""A frame with a higher number is no frame of a video: that is eight days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """One item of a sequence: its frame, counted from 1, and its box in percent.

    The box may be turned. `item` is what Label Studio sent, with all that premask does not know.
    """

    frame: int
    numbers: tuple[float, float, float, float, float]
    enabled: bool
    item: Json

    @property
    def is_own(self) -> bool:
        """Whether premask wrote it, and nobody has changed it since."""
        return self.item.get(OWN_KEY) == _mark(self.frame, self.numbers, self.enabled)


def keyframes_of(value: Mapping[str, object]) -> tuple[Keyframe, ...]:
    """The keyframes of a region's value, in order; raises `InvalidMask` for what is none."""
    sequence = value.get("sequence")
    try:
        if not isinstance(sequence, list):
            raise TypeError("the sequence is no list")
        keyframes = sorted(map(_keyframe, sequence), key=lambda keyframe: keyframe.frame)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidMask(f"The keyframes of a box can't be read: {error}.") from error
    return tuple({keyframe.frame: keyframe for keyframe in keyframes}.values())


def drawn_at(keyframes: Sequence[Keyframe], frame: float) -> Json | None:
    """The box in percent that the editor draws in a frame, or would draw between two; or None."""
    place = bisect_right(keyframes, frame, key=lambda keyframe: keyframe.frame)
    if not place:
        return None
    before = keyframes[place - 1]
    if _is_gone(keyframes, frame):
        return None
    if before.frame == frame or place == len(keyframes):
        return dict(zip(NUMBERS, before.numbers, strict=True))
    after = keyframes[place]
    share = (frame - before.frame) / (after.frame - before.frame)
    ways = [end - start for start, end in zip(before.numbers, after.numbers, strict=True)]
    # A rotation takes the short way round.
    ways[-1] = (ways[-1] + 180) % 360 - 180
    numbers = [start + way * share for start, way in zip(before.numbers, ways, strict=True)]
    return dict(zip(NUMBERS, numbers, strict=True))


def sequence_of(
    boxes: Mapping[int, Json], fixed: Sequence[Keyframe] = (), *, rate: float, length: int
) -> list[Json]:
    """The keyframes of boxes in percent by frame, as few as show all of them.

    Where a frame has no box, the object is not there. `fixed` are a person's own keyframes, which
    stay what they are; where these say that the object is gone, it is. `length` is the last frame.
    """
    own = {keyframe.frame: keyframe for keyframe in fixed}
    numbers = {frame: _rounded(box) for frame, box in boxes.items() if not _is_gone(fixed, frame)}
    numbers |= {keyframe.frame: keyframe.numbers for keyframe in fixed}
    items = {keyframe.frame: keyframe.item for keyframe in fixed}
    for run in _runs(sorted(numbers)):
        ends = run[-1]
        if ends in own and own[ends].enabled and ends < length:
            # To end here, a keyframe of the person's would have to be changed.
            ends += 1
            numbers[ends] = numbers[run[-1]]
        frames = range(run[0], ends + 1)
        track = np.array([numbers[frame] for frame in frames])
        for place in _needed(track, [frame - run[0] for frame in frames if frame in own]):
            frame = frames[place]
            if frame not in own:
                items[frame] = _own_item(frame, numbers[frame], frame != ends)
    return [
        {**items[frame], "time": items[frame].get("time", frame / rate)} for frame in sorted(items)
    ]


def pixel_box_of(keyframe: Keyframe, size_hw: Size) -> tuple[float, float, float, float]:
    """The upright box in pixels around a keyframe's."""
    return rectangle_box(dict(zip(NUMBERS, keyframe.numbers, strict=True)), size_hw)


def _keyframe(item: object) -> Keyframe:
    if not isinstance(item, dict):
        raise TypeError(f"{str(item)[:80]!r} is no keyframe")
    frame = int(item["frame"])
    x, y, width, height, rotation = (float(item.get(name, 0)) for name in NUMBERS)
    numbers = (x, y, width, height, rotation)
    if not 0 < frame < MOST_FRAMES or not np.isfinite(numbers).all():
        raise ValueError(f"{str(item)[:80]!r} is no keyframe")
    # The editor takes what is not said for no.
    return Keyframe(frame=frame, numbers=numbers, enabled=bool(item.get("enabled")), item=item)


def _is_gone(fixed: Sequence[Keyframe], frame: float) -> bool:
    """Whether the last keyframe up to this frame ends the object before it."""
    place = bisect_right(fixed, frame, key=lambda keyframe: keyframe.frame)
    return place > 0 and not fixed[place - 1].enabled and fixed[place - 1].frame != frame


def _rounded(box: Json) -> tuple[float, float, float, float, float]:
    x, y, width, height, rotation = (round(float(box[name]), DIGITS) for name in NUMBERS)
    return x, y, width, height, rotation


def _own_item(frame: int, numbers: Sequence[float], enabled: bool) -> Json:
    item: Json = {"frame": frame, "enabled": enabled, **dict(zip(NUMBERS, numbers, strict=True))}
    return item | {OWN_KEY: _mark(frame, numbers, enabled)}


def _mark(frame: int, numbers: Sequence[float], enabled: bool) -> str:
    said = f"{frame} {enabled} " + " ".join(f"{number:.{DIGITS}f}" for number in numbers)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def _runs(frames: Sequence[int]) -> Iterator[Sequence[int]]:
    """Frames that follow each other without a gap."""
    start = 0
    for place in range(1, len(frames) + 1):
        if place == len(frames) or frames[place] != frames[place - 1] + 1:
            yield frames[start:place]
            start = place


def _needed(track: NDArray[np.float64], fixed: Iterable[int]) -> list[int]:
    """Which rows (n, 5) of a run must be keyframes, so that those between are close enough.

    A span that is not is divided where it is farthest off.
    """
    needed = {0, len(track) - 1, *fixed}
    # A turned box is a person's own: the upright ones beside it are not turned, not even slightly.
    turned = np.flatnonzero(track[:, 4])
    needed |= {int(place) for place in (*turned - 1, *turned + 1) if 0 <= place < len(track)}
    places = sorted(needed)
    spans = list(pairwise(places))
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        shares = np.arange(1, last - first)[:, np.newaxis] / (last - first)
        drawn = track[first] + (track[last] - track[first]) * shares
        tracked = track[first + 1 : last]
        if _overlaps(drawn, tracked).min() < CLOSE:
            # Boxes that don't meet all overlap by 0, so distances say which is farthest off.
            middle = first + 1 + int(np.abs(drawn - tracked).max(axis=1).argmax())
            needed.add(middle)
            spans += [(first, middle), (middle, last)]
    return sorted(needed)


def _overlaps(drawn: NDArray[np.float64], tracked: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU (n,) of upright boxes (n, 5), pair by pair; of percent it is the same."""
    ends, tracked_ends = drawn[:, :2] + drawn[:, 2:4], tracked[:, :2] + tracked[:, 2:4]
    starts = np.maximum(drawn[:, :2], tracked[:, :2])
    shared = np.clip(np.minimum(ends, tracked_ends) - starts, 0, None).prod(axis=1)
    areas = drawn[:, 2:4].prod(axis=1) + tracked[:, 2:4].prod(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(shared / (areas - shared), nan=0.0))
