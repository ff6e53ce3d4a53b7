"""Every format: writes awkward labels, always the same, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import UnknownFormat, UnwritableOutput
from premask.labels import png
from premask.labels.coco import read_coco
from premask.labels.formats import FORMATS, DatasetFormat, ImageFormat, formats_of
from premask.labels.label_studio import annotations_from_regions
from premask.labels.yolo import annotations_from_yolo
from premask.masks import Mask
from tests.golden.dataset import (
    GOLDEN,
    adversarial_images,
    files_below,
    golden_images,
    write_format,
)

DATASETS = {name: each for name, each in FORMATS.items() if isinstance(each, DatasetFormat)}
PICTURES = {name: each for name, each in FORMATS.items() if isinstance(each, ImageFormat)}


def looked_at() -> list[Labeled]:
    return [each for each in adversarial_images() if each.error is None]


def masks_of(labeled: Labeled) -> list[Mask]:
    """All masks that are not empty: an empty one leaves no trace in most formats."""
    masks = (annotation.mask for annotation in labeled.annotations)
    return [mask for mask in masks if mask is not None and mask.area]


@pytest.mark.parametrize("name", FORMATS)
def test_two_runs_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    for run in ("one", "two"):
        write_format(name, adversarial_images(), tmp_path / run)
    files = list(files_below(tmp_path / "one"))
    assert files
    assert files == list(files_below(tmp_path / "two"))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_are_those_in_golden(name: str, tmp_path: Path) -> None:
    """To change them on purpose: `python -m tests.golden.dataset`, and look at the difference."""
    write_format(name, golden_images(), tmp_path)
    files = list(files_below(tmp_path))
    place = DATASETS[name].file_name if name in DATASETS else PICTURES[name].folder_name
    golden = [file for file in files_below(GOLDEN) if str(file).startswith(place)]
    assert files
    assert set(golden) <= set(files)
    for file in files:
        assert_same(tmp_path / file, GOLDEN / file)


def assert_same(written: Path, golden: Path) -> None:
    """Texts are equal, and pictures pixel by pixel: zlib packs as its version does.

    Photos may differ by the rounding of another processor.
    """
    if written.suffix != ".png":
        assert written.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")
        return
    with PIL.Image.open(written) as picture, PIL.Image.open(golden) as wanted:
        assert (picture.mode, picture.getpalette()) == (wanted.mode, wanted.getpalette())
        tolerance = 1 if picture.mode in ("RGB", "RGBA") else 0
        np.testing.assert_allclose(
            np.asarray(picture).astype(int), np.asarray(wanted).astype(int), atol=tolerance
        )


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_fails_midway_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    write_format(name, golden_images(), tmp_path)
    before = {file: (tmp_path / file).read_bytes() for file in files_below(tmp_path)}

    def failing() -> Iterator[Labeled]:
        yield golden_images()[0]
        raise RuntimeError

    path = tmp_path / DATASETS[name].file_name
    with pytest.raises(RuntimeError):
        DATASETS[name].write(failing(), path, ["another"])
    after = {file: (tmp_path / file).read_bytes() for file in files_below(tmp_path)}
    assert set(after) == set(before)
    if path.is_file():
        assert after == before


@pytest.mark.parametrize("name", PICTURES)
def test_an_image_that_fails_midway_leaves_no_half_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnwritableOutput, match="the disk is full"):
        PICTURES[name].write(golden_images()[0], tmp_path, "a")
    assert list(files_below(tmp_path)) == []


@pytest.mark.parametrize("name", PICTURES)
def test_the_files_are_known_before_they_are_written(name: str, tmp_path: Path) -> None:
    for place, labeled in enumerate(looked_at()):
        expected = PICTURES[name].files(labeled, tmp_path, f"sub/{place}")
        written = PICTURES[name].write(labeled, tmp_path, f"sub/{place}")
        assert written == expected
        assert all(path.is_file() for path in written)


@pytest.mark.parametrize("name", PICTURES)
def test_a_failed_image_has_no_files(name: str, tmp_path: Path) -> None:
    failed = golden_images()[-1]
    assert failed.error is not None
    assert PICTURES[name].write(failed, tmp_path, "a") == ()
    assert list(tmp_path.iterdir()) == []


def read_label_studio(folder: Path) -> list[list[Mask]]:
    tasks = json.loads((folder / "label_studio.json").read_text())
    regions = [task["predictions"][0]["result"] for task in tasks]
    return [masks_of(unplaced(annotations_from_regions(each))) for each in regions]


def read_coco_masks(folder: Path) -> list[list[Mask]]:
    return [masks_of(labeled) for labeled in read_coco(folder / "coco.json")]


def read_coco_polygons(folder: Path) -> list[list[Mask]]:
    return [masks_of(labeled) for labeled in read_coco(folder / "coco_polygons.json")]


def read_yolo(folder: Path) -> list[list[Mask]]:
    labels = [str(number) for number in range(100)]
    return [
        masks_of(unplaced(annotations_from_yolo(path.read_text(), labeled.image.size_hw, labels)))
        for labeled in looked_at()
        for path in [(folder / "yolo/labels" / labeled.image.name).with_suffix(".txt")]
    ]


def read_png_masks(folder: Path) -> list[list[Mask]]:
    chosen = PICTURES["png-masks"]
    stems = [str(Path(labeled.image.name).with_suffix("")) for labeled in looked_at()]
    masks = [
        [
            png.mask_from_png(path.read_bytes())
            for path in chosen.files(each, folder / "masks", stem)
        ]
        for each, stem in zip(looked_at(), stems, strict=True)
    ]
    return [[mask for mask in of_image if mask.area] for of_image in masks]


def unplaced(annotations: tuple[Annotation, ...]) -> Labeled:
    return Labeled(image=looked_at()[0].image, annotations=annotations)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("coco", read_coco_masks),
        ("coco-polygons", read_coco_polygons),
        ("label-studio", read_label_studio),
        ("yolo", read_yolo),
        ("png-masks", read_png_masks),
    ],
)
def test_every_pixel_of_every_mask_comes_back(
    name: str, read: Callable[[Path], list[list[Mask]]], tmp_path: Path
) -> None:
    write_format(name, adversarial_images(), tmp_path)
    assert read(tmp_path) == [masks_of(labeled) for labeled in looked_at()]


def test_unknown_formats_suggest_the_nearest() -> None:
    with pytest.raises(UnknownFormat, match=r"'label_studio'\. Did you mean 'label-studio'"):
        formats_of(["coco", "label_studio"])


def test_formats_come_in_the_order_asked_for_and_once() -> None:
    assert [each.name for each in formats_of(["yolo", "coco", "yolo"])] == ["yolo", "coco"]


def test_no_two_formats_write_to_the_same_place() -> None:
    places = [each.file_name for each in DATASETS.values()]
    places += [each.folder_name for each in PICTURES.values()]
    assert len(places) == len(set(places)) == len(FORMATS)
    assert all(name == each.name for name, each in FORMATS.items())


def test_a_group_is_all_of_its_formats_each_once() -> None:
    names = [each.name for each in formats_of(["png", "coco", "png-alpha"])]
    assert names == ["png-classes", "png-objects", "png-masks", "png-alpha", "coco"]
