"""Clips frame by frame: what frames are called, which were looked at, and clips read from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask, UnwritableOutput
from premask.labels.numbering import Stems

MAX_FRAMES = 2**24
"""The most frames of a clip that are read: three days of video. More is a broken file."""

MAX_NUMBER = 2**31
"""Frames have smaller numbers than this, also in clips of which only some frames are labeled."""


def frame_stem(labeled: Labeled) -> str:
    """The name of a frame in the folder of its clip: `000012` of `street.mp4/000012.png`."""
    return PurePosixPath(labeled.image.name).stem


def looked_at(clip: LabeledClip) -> Iterator[Labeled]:
    """The frames that did not fail, each with its number."""
    for position, labeled in enumerate(clip.frames):
        if labeled.error is None:
            yield labeled if labeled.frame is not None else replace(labeled, frame=position)


def frames_of(clips: Iterable[LabeledClip]) -> Iterator[Labeled]:
    """All frames of all clips, for formats that know images only."""
    return (labeled for clip in clips for labeled in clip.frames)


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a clip that is read from files: made anew, one at a time, at each pass."""

    read: Callable[[], Iterator[Labeled]]

    def __iter__(self) -> Iterator[Labeled]:
        return self.read()


def places_of_frames(clip: LabeledClip | None) -> Mapping[str, Labeled]:
    """The frames of a clip, without what is in them, by their names in its folder."""
    if clip is None:
        return {}
    return {frame_stem(labeled): replace(labeled, annotations=()) for labeled in looked_at(clip)}


class ClipStems:
    """Names for clips in formats that want one folder or file for each, and no folders in it."""

    def __init__(self) -> None:
        self._stems = Stems()

    def of(self, name: str) -> str:
        """A name that no earlier clip has.

        >>> ClipStems().of("day 1/street.mp4")
        'day_1-street'
        """
        return self._stems.of("_".join(name.replace("/", "-").split()) or "clip")


class ObjectNumbers:
    """The number of each object of a clip, from 1 on, for formats that want small ones.

    If all objects have tracks from 1 to `keeps_to`, these are the numbers. Otherwise objects are
    counted in the order in which they come; one without a track is in one frame only.
    """

    def __init__(self, clip: LabeledClip, *, keeps_to: int, highest: int) -> None:
        """Go through the clip once; `UnwritableOutput` if it has more objects than `highest`."""
        labels, untracked = dict[int, str](), 0
        for labeled in looked_at(clip):
            for annotation in labeled.annotations:
                if annotation.track is None:
                    untracked += 1
                else:
                    labels.setdefault(annotation.track, annotation.label)
        kept = not untracked and all(1 <= track <= keeps_to for track in labels)
        numbers = labels if kept else range(1, len(labels) + 1)
        self.by_track = dict(zip(labels, numbers, strict=True))
        self.labels = dict(zip(numbers, labels.values(), strict=True))
        self._next = max(numbers, default=0) + 1
        self.largest = max(numbers, default=0) + untracked
        self.all = [*sorted(numbers), *range(self._next, self.largest + 1)]
        if self.largest > highest:
            raise UnwritableOutput(
                f"'{clip.name}' has {self.largest:,} objects, and this format has numbers up to "
                f"{highest:,}. Write ytvis instead."
            )

    def of(self, annotation: Annotation) -> int:
        """The object's number; objects without a track have to come in the order of the clip."""
        if annotation.track is not None:
            return self.by_track[annotation.track]
        number, self._next = self._next, self._next + 1
        self.labels[number] = annotation.label
        return number


def frame_number(value: object) -> int:
    """The number of a frame in a file, or `InvalidMask` for what can't be one."""
    if not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise InvalidMask(f"{str(value)[:40]!r} is no number of a frame")
    return value


def require_frames(count: int, where: str) -> int:
    """The number of frames, or `InvalidMask` if no clip has so many."""
    if not 0 <= count <= MAX_FRAMES:
        raise InvalidMask(f"{where} has {count:,} frames, which can't be. Is the file broken?")
    return count
