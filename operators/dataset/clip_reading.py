"""Labels of a clip -> Labeled, frame by frame; labels of the same object have the same track."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from premask.annotations import Annotation, Labeled
from premask.errors import PremaskError
from premask.images import Image
from premask.video.frames import Span, Video

from .bulk_store import Document
from .chosen_clips import ChosenClips
from .clip_names import ClipName
from .clips import Clip, VideoClip
from .reading import MEMBERS, Found, Reader, holder_reader, label_kind, place_heatmaps
from .track_numbers import Identity, TrackNumbers, identity_of

_LAST = 2**31
"""Behind the last frame of any clip."""

_FOLLOWED = ("Detections", "Detection", "Polylines", "Polyline")
"""Labels that may say which object they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLabels:
    """One frame, and how many of its labels have no track.

    `lone` labels say nothing of which object they are. `doubled` ones say that they are one that
    the frame has already.
    """

    labeled: Labeled
    lone: int = 0
    doubled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One field of the frames: where its labels are in what holds them, and what reads them."""

    name: str
    member: str | None
    is_followed: bool
    read: Reader

    def labels_of(self, holder: Document) -> Sequence[Mapping[str, Any]]:
        return (holder,) if self.member is None else holder.get(self.member) or ()


Holders = list[tuple[_Field, Document]]
"""What one frame has in each field."""


class ClipLabels:
    """What some fields of one clip show, read anew at each pass."""

    def __init__(
        self, chosen: ChosenClips, clip: Clip, name: ClipName, fields: Sequence[str]
    ) -> None:
        """Open the clip, and go through its labels once without decoding their masks."""
        self.name, self._clip = name, clip
        self.video: Video = clip.open()[0]
        self._fields = [_field(chosen, field) for field in fields]
        self._numbers = TrackNumbers(
            [
                identity_of(label)
                for field, holder in holders
                if field.is_followed
                for label in field.labels_of(holder)
            ]
            for _, holders in self._known_frames()
        )

    def frames(self, *, every: bool) -> Iterator[FrameLabels]:
        """Every frame, in order, or only those that have something in one of the fields."""
        empty: Iterator[tuple[int, Holders]] = ((index, []) for index in self._indices())
        merged = heapq.merge(empty if every else (), self._known_frames(), key=lambda one: one[0])
        for index, found in itertools.groupby(merged, key=lambda one: one[0]):
            yield self._read(index, [held for _, holders in found for held in holders])

    def _indices(self) -> Sequence[int]:
        """The frames that are asked for, whether anything is known of them or not."""
        video, clip = self.video, self._clip
        support = clip.support if isinstance(clip, VideoClip) else None
        if support is not None:
            return [index for index in range(support[0] - 1, support[1]) if clip.wants(index)]
        header = video.header
        return range(
            header.frame_count if header.is_count_exact else len(video.stamps(Span(), _LAST))
        )

    def _known_frames(self) -> Iterator[tuple[int, Holders]]:
        """Frames that have something in a field."""
        merged = heapq.merge(*map(self._shown, self._fields), key=lambda found: found[0])
        for index, found in itertools.groupby(merged, key=lambda one: one[0]):
            yield index, [(field, holder) for _, field, holder in found]

    def _shown(self, field: _Field) -> Iterator[tuple[int, _Field, Document]]:
        return ((index, field, holder) for index, holder in self._clip.shown(field.name))

    def _read(self, index: int, holders: Holders) -> FrameLabels:
        found, size_hw = Found(), self.video.size_hw
        frame = Labeled(image=Image(name=self.name.of_frame(index), size_hw=size_hw), frame=index)
        try:
            for field, holder in holders:
                field.read(found, holder, size_hw)
            place_heatmaps(found)
        except PremaskError as error:
            return FrameLabels(labeled=replace(frame, error=error))
        identities = {
            str(label["_id"]): identity_of(label)
            for field, holder in holders
            if field.is_followed
            for label in field.labels_of(holder)
        }
        own = [identities.get(label_id) for label_id in found.label_ids]
        return self._tracked(frame, own, found.annotations)

    def _tracked(
        self, frame: Labeled, identities: Sequence[Identity | None], found: Sequence[Annotation]
    ) -> FrameLabels:
        """Give annotations the numbers of their objects, each number once."""
        annotations, seen, lone, doubled = list[Annotation](), set[tuple[int, str]](), 0, 0
        for identity, annotation in zip(identities, found, strict=True):
            number = None if identity is None else self._numbers.of(identity)
            lone += number is None
            if number is not None and (number, annotation.label) in seen:
                number, doubled = None, doubled + 1
            elif number is not None:
                seen.add((number, annotation.label))
            annotations.append(replace(annotation, track=number))
        labeled = replace(frame, annotations=tuple(annotations))
        return FrameLabels(labeled=labeled, lone=lone, doubled=doubled)


def _field(chosen: ChosenClips, name: str) -> _Field:
    path = chosen.path(name)
    kind = label_kind(chosen.dataset, path)
    return _Field(
        name=name,
        member=MEMBERS.get(kind),
        is_followed=kind in _FOLLOWED,
        read=holder_reader(chosen.dataset, path),
    )
