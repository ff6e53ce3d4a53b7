"""Every format writes awkward labels, the same each time, whole or not at all; and reads them."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Labeled
from premask.errors import UnknownFormat, UnwritableOutput
from premask.labels.formats import FORMATS, DatasetFormat, ImageFormat, formats_of
from premask.masks import Mask
from tests.golden.dataset import (
    GOLDEN,
    adversarial_images,
    files_below,
    golden_images,
    place_of,
    write_format,
)

DATASETS = {name: form for name, form in FORMATS.items() if isinstance(form, DatasetFormat)}
PICTURES = {name: form for name, form in FORMATS.items() if isinstance(form, ImageFormat)}
READERS = {name: form.read for name, form in FORMATS.items() if form.read is not None}
LOSSY = {
    "label-studio-boxes": "boxes only",
    "yolo": "an object's parts are joined by lines that are a pixel wide, and specks are left out",
    "coco-panoptic": "one number a pixel, and no bare boxes",
    "voc": "one number a pixel",
    "png-classes": "one number a pixel, and one mask a class",
    "png-objects": "one number a pixel",
    "png-alpha": "one alpha for all objects",
    "ade20k": "one number a pixel, and no label that is not ADE20K's",
}
"""Formats that can be read, but don't keep every pixel of every mask; a new one has to be exact."""


def looked_at() -> list[Labeled]:
    return [labeled for labeled in adversarial_images() if labeled.error is None]


def masks_of(labeled: Labeled) -> list[Mask]:
    """All masks that are not empty: an empty one leaves no trace in most formats."""
    masks = (annotation.mask for annotation in labeled.annotations)
    return [mask for mask in masks if mask is not None and mask.area]


def read_format(name: str, folder: Path, images: list[Labeled]) -> list[Labeled]:
    return list(READERS[name](folder / place_of(name), [labeled.image for labeled in images]))


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
    """To make or to change them on purpose: `python -m tests.golden.dataset [FORMAT ...]`."""
    write_format(name, golden_images(), tmp_path)
    files = list(files_below(tmp_path))
    golden = [file for file in files_below(GOLDEN) if str(file).startswith(place_of(name))]
    assert files
    assert set(golden) <= set(files)
    for file in files:
        assert_same(tmp_path / file, golden_file(file, name))


def golden_file(file: Path, name: str) -> Path:
    if not (GOLDEN / file).exists():
        pytest.fail(
            f"The format '{name}' writes {file}, which is not in tests/golden. Make it with "
            f"`python -m tests.golden.dataset {name}`, look whether it is right, and commit it."
        )
    return GOLDEN / file


PNG_URL = re.compile(r"data:image/png;base64,([^\"]+)")


def pixels_of_url(url: re.Match[str]) -> str:
    with PIL.Image.open(io.BytesIO(base64.b64decode(url[1]))) as picture:
        return str(np.asarray(picture.convert("RGBA")).tolist())


def assert_same(written: Path, golden: Path) -> None:
    """Texts are equal, and pictures pixel by pixel: zlib packs as its version does.

    Photos may differ by the rounding of another processor.
    """
    if written.suffix != ".png":
        texts = (path.read_text(encoding="utf-8") for path in (written, golden))
        text, wanted_text = (PNG_URL.sub(pixels_of_url, text) for text in texts)
        assert text == wanted_text
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


@pytest.mark.parametrize("name", [name for name in READERS if name not in LOSSY])
def test_every_pixel_of_every_mask_comes_back(name: str, tmp_path: Path) -> None:
    write_format(name, adversarial_images(), tmp_path)
    read = [masks_of(labeled) for labeled in read_format(name, tmp_path, looked_at())]
    wanted = [masks_of(labeled) for labeled in looked_at()]
    assert read == wanted, "If the format can't keep every pixel, say in LOSSY what it loses."


@pytest.mark.parametrize("name", READERS)
def test_what_was_read_is_written_and_read_again_without_a_change(
    name: str, tmp_path: Path
) -> None:
    write_format(name, adversarial_images(), tmp_path / "one")
    first = read_format(name, tmp_path / "one", looked_at())
    write_format(name, first, tmp_path / "two")
    second = read_format(name, tmp_path / "two", first)
    assert len(first) == len(looked_at())
    assert [one.annotations for one in second] == [one.annotations for one in first]


@pytest.mark.parametrize("name", READERS)
def test_the_golden_files_are_read(name: str) -> None:
    """An image that was looked at in vain is there, too; one that failed is not."""
    wanted = golden_images()[:2]
    assert golden_file(Path(place_of(name)), name)
    read = read_format(name, GOLDEN, wanted)
    assert [one.image.name for one in read] == [one.image.name for one in wanted]
    assert [one.image.size_hw for one in read] == [one.image.size_hw for one in wanted]
    labels = {annotation.label for annotation in read[0].annotations}
    assert labels <= {"", *(annotation.label for annotation in wanted[0].annotations)}
    assert read[1].annotations == ()


def test_unknown_formats_suggest_the_nearest() -> None:
    with pytest.raises(UnknownFormat, match=r"'label_studio'\. Did you mean 'label-studio'"):
        formats_of(["coco", "label_studio"])


def test_formats_come_in_the_order_asked_for_and_once() -> None:
    assert [form.name for form in formats_of(["yolo", "coco", "yolo"])] == ["yolo", "coco"]


def test_no_two_formats_write_to_the_same_place() -> None:
    places = [form.file_name for form in DATASETS.values()]
    places += [form.folder_name for form in PICTURES.values()]
    assert len(places) == len(set(places)) == len(FORMATS)
    assert all(name == form.name for name, form in FORMATS.items())


def test_a_group_is_all_of_its_formats_each_once() -> None:
    names = [form.name for form in formats_of(["png", "coco", "png-alpha"])]
    assert names == ["png-classes", "png-objects", "png-masks", "png-alpha", "coco"]
