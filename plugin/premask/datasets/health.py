"""What is wrong with labels in any format, and mended copies of COCO files."""

from __future__ import annotations

from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.coco_check import check_coco
from premask.datasets.image_check import check_file
from premask.datasets.image_files import ImageFiles, Images
from premask.datasets.overlap_check import OverlapCheck
from premask.datasets.problems import Health
from premask.datasets.reading import read
from premask.datasets.record_check import SLACK
from premask.errors import InvalidSetting, PremaskError
from premask.labels.glimpse import Glimpse
from premask.runs.progress import ProgressCounter, ProgressWatcher


def check(
    path: str | Path,
    images: Images | None = None,
    *,
    out: Path | None = None,
    on_progress: ProgressWatcher | None = None,
) -> Health:
    """Say what is wrong with labels; with `images`, also which files are missing or others' size.

    COCO files may be broken in any way, and `out` is where a mended copy goes. Of other formats
    there is what their readers say.
    """
    path = Path(path)
    files = ImageFiles() if images is None else ImageFiles.of(images)
    glimpse = Glimpse.of(path)
    if _may_be_coco(glimpse):
        return check_coco(path, files, out, on_progress=on_progress)
    if out is not None:
        raise InvalidSetting(
            f"Only COCO files can be mended. Make one of it: premask convert {path} --to coco"
        )
    return _check_others(path, files, images, ProgressCounter(on_progress=on_progress))


def _may_be_coco(glimpse: Glimpse) -> bool:
    """Whether it is COCO or a broken one; panoptic maps and clips have other records."""
    is_panoptic = "segments_info" in glimpse.keys.get("annotations", ())
    are_clips = "videos" in glimpse.keys and "images" not in glimpse.keys
    has_list = bool({"images", "annotations"} & glimpse.keys.keys())
    return has_list and not is_panoptic and not are_clips


def _check_others(
    path: Path, files: ImageFiles, images: Images | None, counter: ProgressCounter
) -> Health:
    health, overlaps, names = Health(path=str(path)), OverlapCheck(), set[str]()
    try:
        for one in read(path, images):
            health.images += 1
            counter.count(failed=one.error is not None)
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
        elif min(x0, y0) < -SLACK or x1 > width + SLACK or y1 > height + SLACK:
            health.add("outside", where, "its box reaches beyond the image")
        shape = found.label, found.box_xyxy if found.mask is None else found.mask
        if shape in seen:
            health.add("twice", where, "one before it has the same class and the same pixels")
        elif found.mask is not None and not found.crowd:
            overlaps.add(name, found.label, place, found.mask)
        seen.add(shape)
    check_file(name, one.image.size_hw, files, health)
