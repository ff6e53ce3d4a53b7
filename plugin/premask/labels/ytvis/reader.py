"""Reads YouTube-VIS JSON, also as others write it: polygons, lists of results, missing keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.geometry import Box
from premask.images import Image
from premask.labels.clip_frames import Frames, frame_number, require_frames
from premask.labels.coco_rle import mask_from_segmentation
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import IndexedFile, list_in, number_in, reading
from premask.labels.ytvis.records import TrackRecord, YtvisRecords
from premask.masks import Size
from premask.video.frames import frame_name

Json = Mapping[str, Any]

_EXPECTED = "YouTube-VIS JSON: 'videos', 'annotations' and 'categories', or a list of results"


def read_ytvis(path: Path, clips: Iterable[LabeledClip] = ()) -> tuple[LabeledClip, ...]:
    """The clips of a file; masks are decoded when one goes through the frames.

    A list of results has no videos: its clips are called by their ids, and its labels are numbers.
    """
    with reading(path, _EXPECTED), path.open("rb") as file:
        return tuple(_clips(IndexedFile.of(path, file), YtvisRecords.of(file)))


def is_ytvis(glimpse: Glimpse) -> bool:
    """Whether a file has lists of shapes, or at least videos and no images."""
    if "segmentations" in glimpse.keys.get("annotations", glimpse.item_keys):
        return True
    return "videos" in glimpse.keys and not glimpse.keys.get("images")


def _clips(source: IndexedFile, records: YtvisRecords) -> Iterator[LabeledClip]:
    """Every video of the file with its tracks, in the file's order."""
    data = records.head
    labels = {category["id"]: str(category["name"]) for category in data.get("categories") or ()}
    tracks: dict[Any, list[_Track]] = {video["id"]: [] for video in data["videos"]}
    for number, record in enumerate(records.tracks, start=1):
        video_id = record.values["video_id"]
        if video_id not in tracks:
            raise InvalidMask(
                f"annotation {record.values.get('id')} is of a video that is not in the file"
            )
        tracks[video_id].append(_track(record, number, labels))
    phrases: dict[Any, list[str]] = {}
    for pair in data.get("video_np_pairs") or ():
        phrases.setdefault(pair["video_id"], []).append(str(pair["noun_phrase"]))
    for video in data["videos"]:
        yield _clip(source, video, tracks[video["id"]], tuple(phrases.get(video["id"], ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Track:
    """One record of `annotations`; the lists have an entry for each frame."""

    id: object
    track: int | None
    label: str
    crowd: bool
    record: TrackRecord
    bboxes: Sequence[Any]
    scores: Sequence[Any]
    sources: Sequence[Any]
    keyframes: frozenset[int]

    def require_length(self, length: int) -> None:
        for values in (self.record, self.bboxes, self.scores, self.sources):
            if len(values) != length:
                raise InvalidMask(
                    f"annotation {self.id} has lists of {len(values)} frames, but its video has "
                    f"{length}"
                )

    def annotation(
        self, position: int, frame: int, size_hw: Size, file: BinaryIO
    ) -> Annotation | None:
        """The object in a frame, None where it is not there."""
        try:
            segmentation = self.record.shape(position, file)
            mask = mask_from_segmentation(segmentation, size_hw) if segmentation else None
            box = _box(self.bboxes[position]) if mask is None else mask.box_xyxy
            if box is None or (mask is not None and not mask.area):
                return None
            return Annotation(
                label=self.label,
                box_xyxy=box,
                score=number_in(self.scores[position]),
                mask=mask,
                track=self.track,
                source=tuple(str(name) for name in self.sources[position] or ()),
                crowd=self.crowd,
                keyframe=frame in self.keyframes,
            )
        except (InvalidMask, TypeError, ValueError) as error:
            raise InvalidMask(
                f"Annotation {self.id} can't be read in frame {frame}: {error}. Correct it, or "
                "take it out."
            ) from error


def _track(record: TrackRecord, number: int, labels: Mapping[Any, str]) -> _Track:
    values = record.values
    category, own_id = values.get("category_id"), values.get("id", number)
    label = labels.get(category, values.get("noun_phrase"))
    if label is None and labels:
        raise InvalidMask(
            f"annotation {own_id} is of the category {category!r}, which is not in the file"
        )
    track = values.get("track_id", own_id)
    return _Track(
        id=own_id,
        # Ids may be texts.
        track=track if isinstance(track, int) or track is None else number,
        label=str(category) if label is None else str(label),
        crowd=bool(values.get("iscrowd")),
        record=record,
        bboxes=list_in(values.get("bboxes")) or [None] * len(record),
        scores=list_in(values.get("scores")) or [values.get("score")] * len(record),
        sources=list_in(values.get("sources")) or [values.get("source")] * len(record),
        keyframes=frozenset(list_in(values.get("keyframes"))),
    )


def _clip(
    source: IndexedFile, video: Json, tracks: Sequence[_Track], phrases: tuple[str, ...]
) -> LabeledClip:
    names = list_in(video.get("file_names")) or list(_made_names(video, tracks))
    numbers = [frame_number(number) for number in list_in(video.get("frame_numbers"))]
    numbers = numbers or list(range(len(names)))
    times = [number_in(time) for time in list_in(video.get("times"))] or [None] * len(names)
    if not len(names) == len(numbers) == len(times):
        raise InvalidMask(
            f"video {video['id']} has {len(names)} names, {len(numbers)} numbers and "
            f"{len(times)} times of its frames"
        )
    for track in tracks:
        track.require_length(len(names))
    size_hw = _size(video)

    def frames() -> Iterator[Labeled]:
        moments = enumerate(zip(names, numbers, times, strict=True))
        with source.opened() as file:
            for position, (name, number, time) in moments:
                found = (track.annotation(position, number, size_hw, file) for track in tracks)
                yield Labeled(
                    image=Image(name=str(name), size_hw=size_hw),
                    annotations=tuple(one for one in found if one is not None),
                    frame=number,
                    time=time,
                )

    return LabeledClip(
        name=_clip_name(video, names),
        size_hw=size_hw,
        frames=Frames(frames),
        fps=number_in(video.get("fps")) or 0.0,
        phrases=phrases,
    )


def _made_names(video: Json, tracks: Sequence[_Track]) -> Iterator[str]:
    """Names for the frames of a video that has none."""
    length = video.get("length", len(tracks[0].record) if tracks else 0)
    for number in range(require_frames(length, f"video {video['id']}")):
        yield frame_name(_clip_name(video, ()), number)


def _clip_name(video: Json, names: Sequence[object]) -> str:
    """What the clip is called: as it says itself, or as the folder of its frames."""
    own = video.get("name") or video.get("video_name")
    folder = PurePosixPath(str(names[0])).parent.as_posix() if names else "."
    return str(own or (video["id"] if folder == "." else folder))


def _size(video: Json) -> Size:
    height, width = video.get("height"), video.get("width")
    if not (isinstance(height, int) and isinstance(width, int) and height >= 0 and width >= 0):
        raise InvalidMask(
            f"video {video['id']} has the size {width!r} x {height!r}, which is no number of pixels"
        )
    return height, width


def _box(xywh: Sequence[float] | None) -> Box | None:
    """A box with an area; others than that are written where there is nothing."""
    if not xywh:
        return None
    x, y, width, height = (float(side) for side in xywh)
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None
