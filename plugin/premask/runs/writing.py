"""From labels to files in one call: any format that `--format` knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.labels.clip_formats import ClipFormat
from premask.labels.clip_frames import frames_of
from premask.labels.formats import DatasetFormat, clip_formats_of, formats_of
from premask.labels.numbering import Stems


def write(
    labeled: Iterable[Labeled], format: str, path: str | Path, *, classes: Sequence[str] = ()
) -> list[Path]:
    """Write images with their annotations to a file or a folder, and say what was written.

    `format` is a name such as "coco", "yolo" or "cutout"; `premask annotate --help` lists them. If
    the format is one file and `path` is a folder, the file has its usual name in there. Labels are
    numbered in the order of `classes`, then in the order in which they come. Images that failed are
    left out. What `premask.label` yields is written as it comes, so it need not fit into memory.
    """
    path = Path(path)
    forms = formats_of([format], ids=getattr(labeled, "ids", None))
    if len(forms) > 1:  # `png` stands for several formats, each with a folder of its own
        images = list(labeled)
        return [
            file
            for form in forms
            for file in write(images, form.name, path / form.name, classes=classes)
        ]
    (form,) = forms
    if isinstance(form, DatasetFormat):
        if path.is_dir() and Path(form.file_name).suffix:
            path = path / form.file_name
        return list(form.write(labeled, path, tuple(classes)))
    stems = Stems()
    return [file for one in labeled for file in form.write(one, path, stems.of(one.image.name))]


def write_clips(
    clips: Iterable[LabeledClip], format: str, path: str | Path, *, classes: Sequence[str] = ()
) -> list[Path]:
    """Write clips to a file or a folder, and say what was written.

    Formats for clips, such as "ytvis", know which objects are the same. The others, all those of
    `write`, take each frame as an image.
    """
    path = Path(path)
    form = clip_formats_of([format])[0]
    if not isinstance(form, ClipFormat):
        return write(frames_of(clips), format, path, classes=classes)
    if path.is_dir() and Path(form.file_name).suffix:
        path = path / form.file_name
    return list(form.write(clips, path, tuple(classes)))
