"""What people kept of the tracks in videos, with the exact masks behind their boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from sys import maxsize

from ml_backend.predict.track_store import TrackStore
from ml_backend.project.task_reading import SourceRegions
from ml_backend.project.video_regions import DrawnTrack, drawn_tracks
from ml_backend.project.video_tags import VideoTag
from ml_backend.studio.protocol import Json
from ml_backend.studio.video_fetch import VideoSource
from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import PremaskError
from premask.geometry import Box, box_area
from premask.images import Image
from premask.labels.clip_frames import Frames
from premask.labels.label_studio.keyframes import drawn_at
from premask.labels.label_studio.shapes import rectangle_box
from premask.labels.label_studio.video_regions import Timeline
from premask.masks import Size
from premask.video.decoders import ASSUMED_FPS
from premask.video.frames import Span, frame_name

SAME = 0.9
"""A box that overlaps so much with that of the mask (IoU) still shows it: those that premask thins
out stay within 0.95."""

Stamps = Sequence[tuple[int, float]]


@dataclass(slots=True, kw_only=True)
class PulledClips:
    """The clips of a project. What people drew waits in a file until all tasks were read."""

    store: TrackStore
    source: VideoSource
    path: Path
    failures: dict[str, PremaskError] = field(default_factory=dict)
    objects: int = 0
    boxes_only: dict[str, int] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    _count: int = 0

    def add(
        self, task: int, data: Json, tag: VideoTag, chosen: Sequence[SourceRegions], name: str
    ) -> None:
        """Note what was drawn on one video of a task."""
        said = {
            "task": task,
            "url": tag.url(data),
            "rate": tag.frame_rate(data),
            "name": name,
            "labels": [label.name for label in tag.all_labels],
            "chosen": [
                {
                    "source": one.source,
                    "regions": [
                        region for region in one.regions if region.get("to_name") == tag.name
                    ],
                }
                for one in chosen
            ],
        }
        with self.path.open("ab") as file:
            file.write(json.dumps(said).encode() + b"\n")

    def clips(self) -> Iterator[LabeledClip]:
        """The clips one by one, from the beginning each time; those that fail are left out."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            for line in file:
                said = json.loads(line)
                try:
                    yield self._clip(said)
                except PremaskError as error:
                    self.failures[said["name"]] = error

    def check(self) -> int:
        """Go through all clips once, and count what is in them; returns how many there are."""
        for clip in self.clips():
            self._count += 1
            tracks = set()
            for labeled in clip.frames:
                for found in labeled.annotations:
                    tracks.add(found.track)
                    self.labels.add(found.label)
                    if found.mask is None:
                        self.boxes_only[clip.name] = self.boxes_only.get(clip.name, 0) + 1
            self.objects += len(tracks)
        return self._count

    def sentences(self) -> Iterator[str]:
        """What came out, and what has no mask."""
        yield f"{self.objects} tracks in {self._count} clips ({len(self.failures)} failed)"
        for name, count in sorted(self.boxes_only.items()):
            yield (
                f"{name}: {count} boxes without a mask, because somebody drew or moved them since "
                "they were followed, or because that was on another machine. Let them be followed "
                "again in Label Studio, or pull where the backend runs"
            )

    def _clip(self, said: Json) -> LabeledClip:
        drawn = [
            (one, tuple(chosen["source"]))
            for chosen in said["chosen"]
            for one in drawn_tracks(chosen["regions"])
        ]
        objects = [
            _Object(
                number=number, drawn=one, labels=said["labels"], source=source, store=self.store
            )
            for number, (one, source) in enumerate(drawn, start=1)
        ]
        size_hw, fps, stamps = self._frames_of(said, objects)
        seconds = stamps[-1][1] + 1 / (fps or ASSUMED_FPS) if stamps else 0.0
        timeline = Timeline(rate=said["rate"], duration=seconds)
        return LabeledClip(
            name=said["name"],
            size_hw=size_hw,
            frames=Frames(
                partial(_frames, objects, stamps, seconds, timeline, size_hw, said["name"])
            ),
            fps=fps,
        )

    def _frames_of(self, said: Json, objects: Sequence[_Object]) -> tuple[Size, float, Stamps]:
        """The frames of the clip: as its masks tell or, without any, the video itself."""
        for one in objects:
            if one.facts is not None and one.key is not None:
                frames = self.store.frames(one.key, one.facts.size_hw)
                stamps = [(labeled.frame or 0, labeled.time or 0.0) for labeled in frames]
                return one.facts.size_hw, one.facts.fps, stamps
        video = self.source.video(said["url"], task_id=said["task"])
        return video.size_hw, video.fps, video.stamps(Span(), maxsize)


class _Object:
    """One object that a person drew or kept, and its masks, if they are still there."""

    def __init__(
        self,
        *,
        number: int,
        drawn: DrawnTrack,
        labels: Sequence[str],
        source: tuple[str, ...],
        store: TrackStore,
    ) -> None:
        self.number, self.drawn, self.source = number, drawn, source
        self.key = drawn.track[0] if drawn.track else None
        said = drawn.region["value"].get("labels") or ()
        self._label = next((label for label in said if label in labels), "")
        self._stored = drawn.track[1] if drawn.track else 0
        self.facts = store.facts(self.key) if self.key is not None else None
        self._store = store
        known = set(self.facts.asked) if self.facts else set()
        # Where a person drew a box that was followed from there, the mask may be smaller.
        self._followed = {int(asked[0]) for asked in drawn.asked if asked in known}
        self._fixed = {keyframe.frame for keyframe in drawn.fixed}

    def masks(self) -> Iterator[tuple[int, Annotation | None]]:
        """The masks by the frame of the file."""
        if self.facts is None or self.key is None:
            return
        for labeled in self._store.frames(self.key, self.facts.size_hw):
            own = (one for one in labeled.annotations if one.track == self._stored)
            yield labeled.frame or 0, next(own, None)

    def shown(self, position: float, found: Annotation | None, size_hw: Size) -> Annotation | None:
        """What the person sees at a position of the editor's timeline, with its mask if it fits."""
        drawn = drawn_at(self.drawn.keyframes, position)
        if drawn is None:
            return None
        box_xyxy = rectangle_box(drawn, size_hw)
        fits = found is not None and (
            position in self._followed or _overlap(box_xyxy, found.box_xyxy) >= SAME
        )
        kept = found if fits else None
        return Annotation(
            label=self._label,
            box_xyxy=kept.box_xyxy if kept else box_xyxy,
            score=kept.score if kept else None,
            mask=kept.mask if kept else None,
            matte=kept.matte if kept else None,
            track=self.number,
            source=(*self.source, *kept.source) if kept else self.source,
            keyframe=position in self._fixed,
        )


def _frames(
    objects: Sequence[_Object],
    stamps: Stamps,
    end: float,
    timeline: Timeline,
    size_hw: Size,
    clip_name: str,
) -> Iterator[Labeled]:
    masks = [_Masks(one.masks()) for one in objects]
    ends = [*(time for _, time in stamps[1:]), end]
    for (frame, time), until in zip(stamps, ends, strict=True):
        position = timeline.position(time, until)
        shown = (
            one.shown(position, own.at(frame), size_hw)
            for one, own in zip(objects, masks, strict=True)
        )
        yield Labeled(
            image=Image(name=frame_name(clip_name, frame), size_hw=size_hw),
            annotations=tuple(found for found in shown if found is not None),
            frame=frame,
            time=time,
        )


class _Masks:
    """Masks by frame that are asked for in the order of the frames."""

    def __init__(self, masks: Iterator[tuple[int, Annotation | None]]) -> None:
        self._masks = masks
        self._next = next(masks, None)

    def at(self, frame: int) -> Annotation | None:
        """The mask in this frame, which is behind the one that was asked for before."""
        while self._next is not None and self._next[0] < frame:
            self._next = next(self._masks, None)
        return self._next[1] if self._next is not None and self._next[0] == frame else None


def _overlap(one: Box, other: Box) -> float:
    """The IoU of two boxes."""
    shared = box_area(
        (
            max(one[0], other[0]),
            max(one[1], other[1]),
            min(one[2], other[2]),
            min(one[3], other[3]),
        )
    )
    return shared / (box_area(one) + box_area(other) - shared) if shared else 0.0
