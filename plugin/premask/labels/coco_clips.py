"""Clips <-> COCO JSON frame by frame: images with a `video_id`, annotations with a `track_id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from premask.annotations import Labeled, LabeledClip
from premask.labels.clip_frames import frame_number, looked_at
from premask.labels.coco import labeled_from_coco, write_coco
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import number_in, read_json, reading

Json = dict[str, Any]

_EXPECTED = "COCO JSON with the lists 'images', 'annotations' and 'categories'"


def write_coco_clips(
    clips: Iterable[LabeledClip],
    path: Path,
    categories: Sequence[str] | None = None,
    *,
    polygons: bool = False,
    mattes: bool = False,
) -> tuple[Path, ...]:
    """Write one COCO file in one pass, with one frame's labels in memory at a time.

    Tools that know nothing of clips read the frames as images. Tracks are numbered in each clip
    anew, so an object is known by its `video_id` and its `track_id`.
    """
    videos: list[Json] = []

    def frames() -> Iterator[Labeled]:
        for clip in clips:
            videos.append(_video(clip, len(videos) + 1))
            yield from looked_at(clip)

    def in_clip(labeled: Labeled) -> Json:
        place: Json = {"video_id": len(videos), "frame_id": labeled.frame}
        return place if labeled.time is None else {**place, "time": labeled.time}

    return write_coco(
        frames(),
        path,
        categories,
        polygons=polygons,
        mattes=mattes,
        in_clip=in_clip,
        videos=videos,
    )


def _video(clip: LabeledClip, number: int) -> Json:
    height, width = clip.size_hw
    video: Json = {"id": number, "name": clip.name, "width": width, "height": height}
    video["fps"] = clip.fps
    return {**video, "phrases": list(clip.phrases)} if clip.phrases else video


def read_coco_clips(path: Path, clips: Iterable[LabeledClip] = ()) -> tuple[LabeledClip, ...]:
    """The clips of a COCO file; images without a `video_id` are a clip with those in their folder.

    Unlike other readers it keeps all run lengths in memory, as those of COCO files do.
    """
    data = read_json(path, _EXPECTED)
    with reading(path, _EXPECTED):
        return tuple(_clips(data))


def are_coco_clips(glimpse: Glimpse) -> bool:
    """Whether a file is COCO whose images belong to videos."""
    return "video_id" in glimpse.keys.get("images", ())


def _clips(data: Mapping[str, Any]) -> Iterator[LabeledClip]:
    videos = {video["id"]: video for video in data.get("videos") or ()}
    frames: dict[Any, list[Labeled]] = {video: [] for video in videos}
    for image, labeled in zip(data["images"], labeled_from_coco(data), strict=True):
        folder = PurePosixPath(labeled.image.name).parent.as_posix()
        of_clip = frames.setdefault(image.get("video_id", folder), [])
        frame = frame_number(image.get("frame_id", len(of_clip)))
        of_clip.append(replace(labeled, frame=frame, time=number_in(image.get("time"))))
    for key, of_clip in frames.items():
        video = videos.get(key, {})
        size_hw = of_clip[0].image.size_hw if of_clip else (video["height"], video["width"])
        yield LabeledClip(
            name=str(video.get("name", key)),
            size_hw=size_hw,
            frames=tuple(sorted(of_clip, key=lambda one: one.frame or 0)),
            fps=number_in(video.get("fps")) or 0.0,
            phrases=tuple(str(phrase) for phrase in video.get("phrases") or ()),
        )
