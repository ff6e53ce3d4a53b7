"""Clips <-> COCO JSON frame by frame: images with a `video_id`, annotations with a `track_id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from premask.annotations import Labeled, LabeledClip
from premask.labels.clip_frames import Frames, frame_number, looked_at
from premask.labels.coco import (
    labeled_from_records,
    labels_from_head,
    reading_coco,
    size_of_record,
    write_coco,
)
from premask.labels.coco_index import CocoIndex
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import IndexedFile, number_in

Json = dict[str, Any]


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

    Masks are decoded when one goes through the frames.
    """
    with reading_coco(path), path.open("rb") as file:
        index = CocoIndex.of(file)
        index.annotations.require_images(index.image_ids, file)
        return tuple(_clips(IndexedFile.of(path, file), index, list(index.images(file))))


def are_coco_clips(glimpse: Glimpse) -> bool:
    """Whether a file is COCO whose images belong to videos."""
    return "video_id" in glimpse.keys.get("images", ())


def _clips(source: IndexedFile, index: CocoIndex, images: Sequence[Json]) -> Iterator[LabeledClip]:
    videos = {video["id"]: video for video in index.head.get("videos") or ()}
    images_of: dict[Any, list[Json]] = {video: [] for video in videos}
    for image in images:
        folder = PurePosixPath(image["file_name"]).parent.as_posix()
        of_clip = images_of.setdefault(image.get("video_id", folder), [])
        of_clip.append({**image, "frame_id": frame_number(image.get("frame_id", len(of_clip)))})
    for key, of_clip in images_of.items():
        video = videos.get(key, {})
        first = of_clip[0] if of_clip else video
        yield LabeledClip(
            name=str(video.get("name", key)),
            size_hw=size_of_record(first),
            frames=_frames(source, index, sorted(of_clip, key=lambda image: image["frame_id"])),
            fps=number_in(video.get("fps")) or 0.0,
            phrases=tuple(str(phrase) for phrase in video.get("phrases") or ()),
        )


def _frames(source: IndexedFile, index: CocoIndex, images: Sequence[Json]) -> Frames:
    labels = labels_from_head(index.head)

    def frames() -> Iterator[Labeled]:
        with reading_coco(source.path), source.opened() as file:
            for image in images:
                records = index.annotations.of(image["id"], file)
                yield replace(
                    labeled_from_records(image, records, labels),
                    frame=image["frame_id"],
                    time=number_in(image.get("time")),
                )

    return Frames(frames)
