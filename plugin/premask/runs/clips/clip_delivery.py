"""Clips into a folder, in the formats asked for: those of clips, and those of images by frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.labels.clip_formats import ClipFormat
from premask.labels.clip_frames import frames_of
from premask.labels.formats import AnyFormat, ImageFormat
from premask.labels.numbering import Stems
from premask.video.frames import Video


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownClip:
    """A clip with what was found in it, and what its pixels are read from."""

    labeled: LabeledClip
    video: Video


def deliver_clips(
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
    stems = Stems()
    for shown in clips:
        frames = _with_pixels(shown) if form.needs_pixels else shown.labeled.frames
        for labeled in frames:
            form.write(labeled, folder, stems.of(labeled.image.name))


def _with_pixels(shown: ShownClip) -> Iterator[Labeled]:
    indices = [labeled.frame for labeled in shown.labeled.frames if labeled.frame is not None]
    frames = shown.video.frames_at(indices)
    for labeled, frame in zip(shown.labeled.frames, frames, strict=False):
        yield replace(labeled, image=frame.image)
