"""What is wrong with labels in any format, and mended copies of COCO files."""

from __future__ import annotations

from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.coco_check import check_coco
from premask.datasets.image_files import ImageFiles, Images
from premask.datasets.overlap_check import OverlapCheck
from premask.datasets.problems import Health
from premask.datasets.reading import read
from premask.decoding import upright_size
from premask.errors import InvalidSetting, PremaskError, UnreadableImage
from premask.labels.glimpse import Glimpse

_SLACK = 2.0
"""So many pixels a box may reach beyond its image; detectors round."""


def check(path: str | Path, images: Images | None = None, *, out: Path | None = None) -> Health:
    """Say what is wrong with labels; with `images`, also which files are missing or others' size.

    COCO files may be broken in any way, and `out` is where a mended copy goes. Of other formats
    there is what their readers say.
    """
    path = Path(path)
    files = ImageFiles() if images is None else ImageFiles.of(images)
    glimpse = Glimpse.of(path)
    if not glimpse.is_folder and {"images", "annotations"} & glimpse.keys.keys():
        return check_coco(path, files, out)
    if out is not None:
        raise InvalidSetting(
            f"Only COCO files can be mended. Make one of it: premask convert {path} --to coco"
        )
    return _check_others(path, files, images)


def _check_others(path: Path, files: ImageFiles, images: Images | None) -> Health:
    health, overlaps, names = Health(path=str(path)), OverlapCheck(), set[str]()
    try:
        for one in read(path, images):
            health.images += 1
            if one.image.name in names:
                health.add("name", f"image {one.image.name}", "one before it has the same name")
            names.add(one.image.name)
            if one.error is not None:
                health.add("unreadable", f"image {one.image.name}", str(one.error))
                continue
            _check_image(one, files, health, overlaps)
    except PremaskError as error:
        health.add("unreadable", str(path), str(error))
    overlaps.report(health)
    return health


def _check_image(one: Labeled, files: ImageFiles, health: Health, overlaps: OverlapCheck) -> None:
    name, seen = one.image.name, set[object]()
    height, width = one.image.size_hw
    for place, found in enumerate(one.annotations, start=1):
        health.annotations += 1
        where = f"object {place} ({found.label}) of {name}"
        x0, y0, x1, y1 = found.box_xyxy
        if found.mask is not None and not found.mask.area:
            health.add("empty", where, "its mask has no pixel")
        elif x1 <= x0 or y1 <= y0:
            health.add("empty", where, "its box has no pixel")
        elif min(x0, y0) < -_SLACK or x1 > width + _SLACK or y1 > height + _SLACK:
            health.add("outside", where, "its box reaches beyond the image")
        shape = found.label, found.box_xyxy if found.mask is None else found.mask
        if shape in seen:
            health.add("twice", where, "one before it has the same class and the same pixels")
        elif found.mask is not None and not found.crowd:
            overlaps.add(name, found.label, place, found.mask)
        seen.add(shape)
    _check_file(one, files, health)


def _check_file(one: Labeled, files: ImageFiles, health: Health) -> None:
    if not files:
        return
    where = f"image {one.image.name}"
    try:
        real = upright_size(files.require(one.image.name))
    except UnreadableImage as error:
        health.add("file", where, str(error))
        return
    if real != one.image.size_hw:
        (height, width), (own_height, own_width) = real, one.image.size_hw
        what = f"it says {own_width} x {own_height}, and the file has {width} x {height} pixels"
        health.add("size", where, what)
