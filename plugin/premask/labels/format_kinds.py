"""What a format is: how it is written, found and read, for a dataset, an image or clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from premask.annotations import Labeled, LabeledClip
from premask.files import LazyFiles, write_atomically
from premask.images import Image
from premask.labels.coco_ids import CocoIds
from premask.labels.glimpse import Glimpse


class DatasetWriter(Protocol):
    """Writes all images in one pass, with the labels of one in memory at a time."""

    def __call__(
        self, labeled: Iterable[Labeled], path: Path, categories: Sequence[str] | None = None, /
    ) -> tuple[Path, ...]:
        """Write to `path`, and return the paths of what was written.

        Labels are numbered in the order of `categories`, then in the order in which they come.
        """
        ...


class Reader(Protocol):
    """Reads what a format's writer wrote, image after image."""

    def __call__(self, path: Path, images: Iterable[Image] = (), /) -> Iterable[Labeled]:
        """Read from a file or a folder; what can't be read is an `InvalidMask`.

        Some formats don't tell what their images are called (PNG) or how large they are (YOLO).
        They take it from `images`, which come in the order in which they were written: two images
        that differ in their suffix only are told apart by that. Without `images` a reader takes
        what it finds, and calls it by the names of its files.
        """
        ...


LabelReader = Callable[[Path, Iterable[Image]], Iterable[Labeled]]
"""A `Reader` that is always given images, if only none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFormat:
    """What all formats have: a name, and what a person is told of them."""

    name: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableFormat(NamedFormat):
    """What formats of images have: how they are found and read."""

    read: Reader | None = None
    recognizes: Callable[[Glimpse], bool] | None = None
    """Whether a file or a folder is one of these; a few formats are not found by looking."""
    ids_of: Callable[[Path], CocoIds] | None = None
    """The numbers of the classes, where the files tell them."""
    own_images: Callable[[Path], Mapping[str, Path]] | None = None
    """The images that lie beside the labels, by the names that the reader knows them by."""
    image_folder: str = "images"
    """Where trainers look for the images, seen from the labels."""
    read_with: Callable[[Path], LabelReader] | None = None
    """A reader that takes names from another file; what its own file lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat(ReadableFormat):
    """One file, or one folder, for the whole dataset; it is written without the images' pixels."""

    file_name: str
    write: DatasetWriter
    numbers_classes: bool = True
    """Whether it writes numbers in the place of labels."""
    with_ids: Callable[[CocoIds], DatasetWriter] | None = None
    """A writer with the ids of a person's COCO file, where the format has ids."""
    write_parts: Callable[[Path, Sequence[str], Sequence[str]], Path] | None = None
    """Writes what ties together the folders of several parts, with the names of the classes."""
    require_names: Callable[[Iterable[str]], None] | None = None
    """Raises, before anything is done, for names of images that the format can't write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat(ReadableFormat):
    """Files for one image at a time, in one folder."""

    folder_name: str
    encode: Callable[[Labeled, str], LazyFiles]
    needs_pixels: bool = False

    def files(self, labeled: Labeled, folder: Path, stem: str) -> tuple[Path, ...]:
        """The files that `write` would write; the image's pixels are not needed to name them."""
        return tuple(folder / name for name in self._encoders(labeled, stem))

    def write(self, labeled: Labeled, folder: Path, stem: str) -> tuple[Path, ...]:
        """Write the files of one image, each whole or not at all; a failed image has none."""
        encoders = self._encoders(labeled, stem)
        return tuple(write_atomically(folder / name, make()) for name, make in encoders.items())

    def _encoders(self, labeled: Labeled, stem: str) -> LazyFiles:
        return {} if labeled.error else self.encode(labeled, stem)


class ClipWriter(Protocol):
    """Writes all clips, one after the other, with the labels of one frame in memory at a time."""

    def __call__(
        self, clips: Iterable[LabeledClip], path: Path, categories: Sequence[str] | None = None, /
    ) -> tuple[Path, ...]:
        """Write to `path`, and return the paths of what was written.

        Frames that failed are left out; one in which nothing is was looked at. A frame is called by
        its image's name: that of its file, or what `video.frames.frame_name` makes. Some formats go
        through a clip twice.
        """
        ...


class ClipReader(Protocol):
    """Reads what a format's writer wrote, and what others write in this format."""

    def __call__(self, path: Path, clips: Iterable[LabeledClip] = (), /) -> Iterable[LabeledClip]:
        """Read from a file or a folder; what can't be read is an `InvalidMask`.

        Some formats don't tell the names of clips, or the times of frames. They take them from
        `clips`, in the order in which these were written; what is in their frames does not matter.
        Masks are read when somebody goes through the frames.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFormat(NamedFormat):
    """One file, or one folder, for all clips; it is written without the frames' pixels."""

    file_name: str
    write: ClipWriter
    read: ClipReader
    recognizes: Callable[[Glimpse], bool]
    """Whether a file or a folder is one of these."""
    numbers_classes: bool = True
    """Whether it writes numbers in the place of labels."""
