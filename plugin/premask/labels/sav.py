"""Clips <-> SA-V's JSON, on which SAM 2 is trained: a file a clip, frame by frame all masklets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from premask.annotations import Annotation, Labeled, LabeledClip
from premask.errors import InvalidMask
from premask.files import replacing_text
from premask.images import Image
from premask.json_stream import JsonStream, Span, value_at
from premask.labels.clip_frames import (
    ClipStems,
    Frames,
    ObjectNumbers,
    frame_number,
    looked_at,
)
from premask.labels.coco_rle import mask_from_segmentation
from premask.labels.glimpse import Glimpse
from premask.labels.json_files import IndexedFile, list_in, number_in, reading
from premask.labels.sav_pictures import are_sav_pictures, read_sav_pictures
from premask.masks import Mask, Size
from premask.video.frames import frame_name

Json = dict[str, Any]

ENDING = "_manual.json"
"""What trainers look for."""

_EVERY, _FPS = 4, 24.0
"""SA-V's own files have masks for every fourth frame of 24 in a second, and don't say it."""

_MOST = 2**31
_EXPECTED = "SA-V's JSON with 'masklet', a list of frames, each a list of run lengths"


def write_sav(
    clips: Iterable[LabeledClip], folder: Path, categories: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a file for each clip, frame by frame; it goes through a clip twice.

    Beside SA-V's own keys there are the frames' numbers and times, and the objects' labels. Scores,
    and objects without a mask, are left out. SAM 2's trainer calls the step between two frames
    `ann_every`.
    """
    stems = ClipStems()
    for clip in clips:
        stem = stems.of(clip.name)
        with replacing_text(folder / f"{stem}{ENDING}") as file:
            _write_clip(clip, stem, file)
    return (folder,)


def _write_clip(clip: LabeledClip, stem: str, file: TextIO) -> None:
    objects = ObjectNumbers(clip, keeps_to=_MOST, highest=_MOST)
    first, counts = dict[int, int](), Counter[int]()
    frames: list[tuple[int, float | None]] = []
    nothing = Mask.empty(clip.size_hw).rle if clip.size_hw != (0, 0) else None
    file.write('{"masklet": [')
    for place, labeled in enumerate(looked_at(clip)):
        masks = {objects.of(found): found.mask for found in labeled.annotations}
        there = {number: mask.rle for number, mask in masks.items() if mask and mask.area}
        for number in there:
            first.setdefault(number, place)
        counts.update(there.keys())
        row = [there.get(number, nothing) for number in objects.all]
        file.write(("," if place else "") + "\n" + json.dumps(row))
        frames.append((labeled.frame or 0, labeled.time))
    height, width = clip.size_hw
    about: Json = {
        "video_id": stem,
        "video_name": clip.name,
        "video_fps": clip.fps,
        "video_frame_count": len(frames),
        "video_height": height,
        "video_width": width,
        "video_resolution": height * width,
        "masklet_id": objects.all,
        "masklet_label": [objects.labels[number] for number in objects.all],
        "masklet_num": len(objects.all),
        "masklet_type": ["auto"] * len(objects.all),
        "masklet_first_appeared_frame": [first.get(number, -1) for number in objects.all],
        "masklet_frame_count": [counts[number] for number in objects.all],
        "frame_numbers": [frame for frame, _ in frames],
        "times": [time for _, time in frames],
    }
    file.write("\n],\n" + json.dumps(about)[1:] + "\n")


def read_sav(path: Path, clips: Iterable[LabeledClip] = ()) -> Iterator[LabeledClip]:
    """One file, or all in a folder, in the order of `clips`; SA-V's own have no labels.

    Its sets for validation and test are folders of PNGs, and are read, too.
    """
    if path.is_dir() and are_sav_pictures(Glimpse.of(path)):
        yield from read_sav_pictures(path, clips)
        return
    stems = ClipStems()
    named = [path / f"{stems.of(clip.name)}{ENDING}" for clip in clips]
    found = (file for file in named or sorted(path.glob("*.json")) if file.is_file())
    for file in found if path.is_dir() else [path]:
        with reading(file, _EXPECTED), file.open("rb") as opened:
            clip = _clip(IndexedFile.of(file, opened), *_index(opened))
        yield clip


def is_sav(glimpse: Glimpse) -> bool:
    """Whether a file has masklets, or a folder has such files, or a PNG for each object."""
    if "masklet" in glimpse.keys or are_sav_pictures(glimpse):
        return True
    first = glimpse.first(".json")
    return (
        first is not None and first.parent == glimpse.path and "masklet" in Glimpse.of(first).keys
    )


def _index(file: BinaryIO) -> tuple[Json, list[Span]]:
    """All that a file says but its masklets, and where those of each frame are."""
    stream, rows, head = JsonStream(file), list[Span](), Json()
    for key in stream.object_keys():
        if key == "masklet":
            rows = [span for _, span in stream.list_items()]
        else:
            head[key] = stream.value()
    if stream.peek():
        raise InvalidMask("there is something behind its end")
    return head, rows


def _clip(source: IndexedFile, data: Json, rows: Sequence[Span]) -> LabeledClip:
    stem = str(data["video_id"])
    name, size_hw = str(data.get("video_name", f"{stem}.mp4")), _size(data)
    tracks = [int(track) for track in list_in(data["masklet_id"])]
    labels = list_in(data.get("masklet_label")) or [""] * len(tracks)
    numbers = [frame_number(number) for number in list_in(data.get("frame_numbers"))]
    numbers = numbers or [_EVERY * place for place in range(len(rows))]
    times = [number_in(time) for time in list_in(data.get("times"))]
    times = times or [number / _FPS for number in numbers]
    if not len(rows) == len(numbers) == len(times) or len(labels) != len(tracks):
        raise InvalidMask("its lists of frames or of masklets differ in their lengths")

    def frames() -> Iterator[Labeled]:
        with source.opened() as file:
            for row, number, time in zip(rows, numbers, times, strict=True):
                image = Image(name=frame_name(name, number), size_hw=size_hw)
                found = _annotations(value_at(file, row), tracks, labels, image)
                yield Labeled(image=image, annotations=tuple(found), frame=number, time=time)

    fps = number_in(data.get("video_fps", _FPS)) or 0.0
    return LabeledClip(name=name, size_hw=size_hw, frames=Frames(frames), fps=fps)


def _size(data: Json) -> Size:
    height, width = number_in(data["video_height"]), number_in(data["video_width"])
    if height is None or width is None or height < 0 or width < 0:
        raise InvalidMask("it does not say how large the video is")
    return int(height), int(width)  # SA-V's own are floats


def _annotations(
    row: object, tracks: Sequence[int], labels: Sequence[object], image: Image
) -> Iterator[Annotation]:
    shapes = list_in(row)
    if len(shapes) != len(tracks):
        raise InvalidMask(f"{image.name} has {len(shapes)} masklets, but there are {len(tracks)}.")
    for shape, track, label in zip(shapes, tracks, labels, strict=True):
        mask = mask_from_segmentation(shape, image.size_hw) if shape else None
        if mask is not None and mask.area:
            yield Annotation(label=str(label), box_xyxy=mask.box_xyxy, mask=mask, track=track)
