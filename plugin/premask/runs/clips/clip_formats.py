"""Clips into a folder, in the formats asked for: those of clips, and those of images by frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.errors import UnknownFormat
from premask.labels.clip_formats import CLIP_FORMATS, ClipFormat
from premask.labels.clip_frames import ClipStems, frame_stem, frames_of
from premask.labels.formats import FORMATS, GROUPS, DatasetFormat, ImageFormat
from premask.video.frames import Video

AnyFormat = ClipFormat | DatasetFormat | ImageFormat

ALL_FORMATS: dict[str, AnyFormat] = {**FORMATS, **CLIP_FORMATS}
"""Where a format of clips has the name of one of images, it takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownClip:
    """A clip with what was found in it, and what its pixels are read from."""

    labeled: LabeledClip
    video: Video


def clip_formats_of(names: Sequence[str]) -> list[AnyFormat]:
    """The formats of these names, each once."""
    unknown = next((name for name in names if name not in ALL_FORMATS and name not in GROUPS), None)
    if unknown is not None:
        raise UnknownFormat(unknown, (*ALL_FORMATS, *GROUPS))
    members = (member for name in names for member in GROUPS.get(name, (name,)))
    return [ALL_FORMATS[name] for name in dict.fromkeys(members)]


def write_clips(
    read_clips: Callable[[], Iterable[ShownClip]],
    folder: Path,
    formats: Sequence[AnyFormat],
    categories: Sequence[str],
) -> list[Path]:
    """Write all clips in each format, and say where they are; `read_clips` is called for each."""
    written: list[Path] = []
    for form in formats:
        if isinstance(form, ImageFormat):
            _write_images(read_clips(), folder / form.folder_name, form)
            written.append(folder / form.folder_name)
            continue
        path, clips = folder / form.file_name, (shown.labeled for shown in read_clips())
        if isinstance(form, ClipFormat):
            written += form.write(clips, path, categories)
        else:
            written += form.write(frames_of(clips), path, categories)
    return written


def _write_images(clips: Iterable[ShownClip], folder: Path, form: ImageFormat) -> None:
    stems = ClipStems()
    for shown in clips:
        stem = stems.of(shown.labeled.name)
        frames = _with_pixels(shown) if form.needs_pixels else shown.labeled.frames
        for labeled in frames:
            form.write(labeled, folder, f"{stem}/{frame_stem(labeled)}")


def _with_pixels(shown: ShownClip) -> Iterator[Labeled]:
    indices = [labeled.frame for labeled in shown.labeled.frames if labeled.frame is not None]
    frames = shown.video.frames_at(indices)
    for labeled, frame in zip(shown.labeled.frames, frames, strict=False):
        yield replace(labeled, image=frame.image)
