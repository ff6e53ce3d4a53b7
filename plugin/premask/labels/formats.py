"""Name -> format: what `--format` takes. Read me from top to bottom: I am one screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from premask.annotations import Labeled
from premask.errors import UnknownFormat
from premask.files import LazyFiles, write_atomically
from premask.labels import cutout, png
from premask.labels.coco import write_coco
from premask.labels.label_studio import write_label_studio
from premask.labels.yolo import write_yolo


class DatasetWriter(Protocol):
    """Writes all images in one pass at the memory of one; says what it wrote."""

    def __call__(
        self, labeled: Iterable[Labeled], path: Path, categories: Sequence[str] | None = None, /
    ) -> tuple[Path, ...]:
        """Write to `path`. Labels are numbered in the order of `categories`, then as they come."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFormat:
    """One file, or one folder, for the whole dataset. It needs no pixels."""

    name: str
    help: str
    file_name: str
    write: DatasetWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """Files of their own for each image, in one folder."""

    name: str
    help: str
    folder_name: str
    encode: Callable[[Labeled, str], LazyFiles]
    needs_pixels: bool = False

    def files(self, labeled: Labeled, folder: Path, stem: str) -> tuple[Path, ...]:
        """The files that `write` writes; pixels are not needed to know them."""
        return tuple(folder / name for name in self._encoders(labeled, stem))

    def write(self, labeled: Labeled, folder: Path, stem: str) -> tuple[Path, ...]:
        """Write the files of one image, each whole or not at all; none for an image that failed."""
        encoders = self._encoders(labeled, stem)
        return tuple(write_atomically(folder / name, make()) for name, make in encoders.items())

    def _encoders(self, labeled: Labeled, stem: str) -> LazyFiles:
        return {} if labeled.error else self.encode(labeled, stem)


_DATASET_FORMATS = (
    DatasetFormat(
        name="coco",
        help="COCO JSON with exact run lengths; mattes as eight bit planes",
        file_name="coco.json",
        write=write_coco,
    ),
    DatasetFormat(
        name="coco-polygons",
        help="COCO JSON with polygons along the edges of the pixels, for tools without run lengths",
        file_name="coco_polygons.json",
        write=partial(write_coco, polygons=True),
    ),
    DatasetFormat(
        name="label-studio",
        help="tasks with brushes as predictions, to import into Label Studio, and label_config.xml",
        file_name="label_studio.json",
        write=write_label_studio,
    ),
    DatasetFormat(
        name="label-studio-polygons",
        help="the same with polygons, one for each part of an object",
        file_name="label_studio_polygons.json",
        write=partial(write_label_studio, kinds=("polygon",)),
    ),
    DatasetFormat(
        name="label-studio-boxes",
        help="the same with rectangles",
        file_name="label_studio_boxes.json",
        write=partial(write_label_studio, kinds=("rectangle",)),
    ),
    DatasetFormat(
        name="yolo",
        help="YOLO segmentation texts below labels/, and data.yaml",
        file_name="yolo",
        write=write_yolo,
    ),
    DatasetFormat(
        name="png-classes",
        help="one indexed PNG an image: each pixel's class; the smallest object is on top",
        file_name="classes",
        write=png.write_class_maps,
    ),
)
_IMAGE_FORMATS = (
    ImageFormat(
        name="png-objects",
        help="one indexed PNG an image: each pixel's object; the smallest is on top",
        folder_name="objects",
        encode=png.instance_files,
    ),
    ImageFormat(
        name="ade20k",
        help="one indexed PNG an image in the colors of ADE20K that ControlNet expects; other "
        "classes than its 150 are black",
        folder_name="ade20k",
        encode=png.ade20k_files,
    ),
    ImageFormat(
        name="png-masks",
        help="one black and white PNG an object",
        folder_name="masks",
        encode=png.mask_files,
    ),
    ImageFormat(
        name="png-alpha",
        help="one gray PNG an image: how much of each pixel belongs to any object",
        folder_name="alpha",
        encode=png.alpha_files,
    ),
    ImageFormat(
        name="cutout",
        help="one transparent PNG an object, clean of the background in its soft edges",
        folder_name="cutouts",
        encode=cutout.cutout_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-white",
        help="the image with its objects on white",
        folder_name="background_white",
        encode=cutout.white_background_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-blur",
        help="the image, out of focus where no object is",
        folder_name="background_blur",
        encode=cutout.blurred_background_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-gray",
        help="the image, black and white where no object is",
        folder_name="background_gray",
        encode=cutout.gray_background_files,
        needs_pixels=True,
    ),
)

Format = DatasetFormat | ImageFormat

FORMATS: dict[str, Format] = {each.name: each for each in (*_DATASET_FORMATS, *_IMAGE_FORMATS)}

GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(name for name in FORMATS if name.startswith(f"{group}-"))
    for group in ("png", "background")
}
"""Names for several formats at once: `png` is all that begin with `png-`."""


def formats_of(names: Sequence[str]) -> list[Format]:
    """The formats of these names, each once."""
    unknown = next((name for name in names if name not in FORMATS and name not in GROUPS), None)
    if unknown is not None:
        raise UnknownFormat(unknown, (*FORMATS, *GROUPS))
    members = (member for name in names for member in GROUPS.get(name, (name,)))
    return [FORMATS[name] for name in dict.fromkeys(members)]
