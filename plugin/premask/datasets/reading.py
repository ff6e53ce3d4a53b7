"""From a path to its labels, whatever their format is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.image_files import ImageFiles, Images
from premask.datasets.manifest import NAME as MANIFEST_NAME
from premask.datasets.planned_labels import (
    plan_images,
    plan_labels,
    shard_images,
    shard_labels,
)
from premask.errors import InvalidMask, InvalidSetting, UnreadableImage
from premask.images import SUFFIXES, Image
from premask.labels.clip_formats import CLIP_FORMATS
from premask.labels.coco import coco_ids
from premask.labels.coco_ids import CocoIds
from premask.labels.format_kinds import LabelReader
from premask.labels.formats import FORMATS, Format, formats_of
from premask.labels.glimpse import Glimpse
from premask.labels.label_studio.exported_clips import are_exported_clips
from premask.labels.shard_table import is_shard
from premask.plans.plan import is_plan
from premask.runs.folder_state import has_state, read_labels, read_state

RUN = "run"
"""What the format of a folder is called into which premask has annotated."""

PLAN, SHARD = "plan", "shard"
"""And that of a plan's folder, of which the shards that are done are read, and of one shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Labels in a file or a folder, one `Labeled` an image.

    Each pass over it reads anew, with one image's labels in memory at a time. `images` are the
    files that belong to it, as far as they are known; one that a format needs and that can't be
    read comes last, as an image that failed. `ids` are the numbers of its classes where
    the files tell them, in their order; a COCO file is written with the same ones.
    """

    path: Path
    format: str
    images: ImageFiles = field(default_factory=ImageFiles)
    ids: CocoIds | None = None
    _read: LabelReader

    def __iter__(self) -> Iterator[Labeled]:
        failed: dict[str, UnreadableImage] = {}
        yield from self._read(self.path, self.images.readable(failed.__setitem__))
        for name, error in failed.items():
            yield Labeled(image=Image.unread(name), error=error)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in their order; none where the files don't list them."""
        return tuple(self.ids.categories) if self.ids is not None else ()


def read(
    path: str | Path,
    images: Images | None = None,
    *,
    format: str | None = None,
    truth: str | Path | None = None,
) -> Dataset:
    """Read labels of any format that premask knows; it is found by looking into the file.

    `images` is the folder that they are for. Some formats need it, because they don't tell how
    large their images are (YOLO) or what they are called (PNG). A list of results has numbers in
    the place of names; `truth` is the COCO file that they are from.

    >>> from premask import read
    >>> read("tests/golden/coco.json").format
    'coco'
    """
    path = Path(path)
    files = ImageFiles() if images is None else ImageFiles.of(images)
    if format is None and path.is_dir() and has_state(path):
        return _run(path, files)
    if format is None and is_plan(path):
        return _planned(path, PLAN, plan_labels, files or plan_images(path))
    if format is None and path.is_file() and is_shard(Glimpse.of(path)):
        return _planned(path, SHARD, shard_labels, files or shard_images(path))
    if format is None and path.is_dir() and (only := _only_file_in(path)) is not None:
        beside = {image.name: image for image in path.iterdir() if image.suffix.lower() in SUFFIXES}
        path, files = only, files or ImageFiles.named(beside)
    form = _form(path, truth is not None) if format is None else _readable(format)
    reader = _reader_of(form, path, truth)
    if not files and form.own_images is not None:
        files = ImageFiles.named(form.own_images(path))
    ids_of = form.ids_of if truth is None else coco_ids
    ids = ids_of(path if truth is None else Path(truth)) if ids_of is not None else None
    return Dataset(path=path, format=form.name, images=files, ids=ids, _read=reader)


def recognized(glimpse: Glimpse) -> Format:
    """The format of what was looked at, or `InvalidMask` that says what was seen."""
    if are_exported_clips(glimpse):
        raise _are_clips(glimpse, "of Label Studio's videos")
    for form in FORMATS.values():
        if form.recognizes is not None and form.recognizes(glimpse):
            return form
    for name, clips in CLIP_FORMATS.items():
        if clips.recognizes(glimpse):
            raise _are_clips(glimpse, name)
    names = ", ".join(name for name, form in FORMATS.items() if form.recognizes is not None)
    raise InvalidMask(
        f"'{glimpse.path}' has labels in no format that premask knows ({names}). It is {glimpse}."
    )


def _reader_of(form: Format, path: Path, truth: str | Path | None) -> LabelReader:
    if truth is not None:
        if form.read_with is None:
            raise InvalidSetting(f"'{path}' is {form.name}, which needs no other file's names.")
        return form.read_with(Path(truth))
    if form.read is None:
        raise InvalidSetting(
            f"'{path}' is a list of results, which has ids in the place of names. Say which COCO "
            f"file they are of (truth=), or make a file with names: premask convert {path} --truth "
            "FILE --to coco --out NAMED.json"
        )
    return form.read


def _only_file_in(folder: Path) -> Path | None:
    """The file of labels of a folder that is no format itself, such as Roboflow's COCO sets."""
    if _has_format(folder):
        return None
    files = [file for file in folder.iterdir() if file.suffix.lower() in (".json", ".xml")]
    labels = [file for file in files if file.name != MANIFEST_NAME]
    return labels[0] if len(labels) == 1 and _has_format(labels[0]) else None


def _has_format(path: Path) -> bool:
    glimpse = Glimpse.of(path)
    return any(
        form.recognizes is not None and form.recognizes(glimpse) for form in FORMATS.values()
    )


def _are_clips(glimpse: Glimpse, name: str) -> InvalidMask:
    return InvalidMask(
        f"'{glimpse.path}' has the labels of clips ({name}), and images are wanted here. "
        f"An image of each frame is made by: premask convert {glimpse.path} --to coco "
        "--out frames.json"
    )


def _form(path: Path, has_truth: bool) -> Format:
    glimpse = Glimpse.of(path)
    # In a list without anything in it there is nothing to recognize.
    if has_truth and glimpse.head.split() == [b"[]"]:
        return FORMATS["coco-results"]
    return recognized(glimpse)


def _readable(name: str) -> Format:
    (form, *others) = formats_of([name])
    if others or (form.read is None and form.read_with is None):
        readable = ", ".join(name for name, known in FORMATS.items() if known.read is not None)
        raise InvalidSetting(f"'{name}' can't be read. These can: {readable}.")
    return form


def _run(folder: Path, images: ImageFiles) -> Dataset:
    """The results of a run, which know where their images are."""
    if not images:
        entries = read_state(folder)["images"]
        images = ImageFiles.named({entry["name"]: Path(entry["path"]) for entry in entries})
    return Dataset(path=folder, format=RUN, images=images, _read=lambda path, _: read_labels(path))


def _planned(
    path: Path, format: str, read: Callable[[Path], Iterator[Labeled]], images: ImageFiles
) -> Dataset:
    """Labels in parquet, which know where their images are."""
    return Dataset(path=path, format=format, images=images, _read=lambda path, _: read(path))
