"""premask from Python: one image or a folder, settings by name, labels to files in one call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Annotation, Image, Labeled
from premask.errors import InvalidSetting
from premask.labels.coco import read_coco


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def run_stages(images: Sequence[Image], *_: Any) -> list[list[Annotation]]:
        return [[Annotation(label="cup", box_xyxy=(1, 2, 9, 8))] for _ in images]

    monkeypatch.setattr("premask.runs.pipeline.run_stages", run_stages)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.png"):
        PIL.Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def names(images: Any) -> list[str]:
    labeled = list(premask.label(images, "faces"))
    assert all(one.error is None for one in labeled)
    return [one.image.name for one in labeled]


def test_one_image_needs_no_list(folder: Path) -> None:
    path = folder / "a.png"
    assert names(str(path)) == names(path) == [str(path)]
    assert names(path.read_bytes()) == ["bytes"]
    assert names(np.zeros((4, 6, 3), np.uint8)) == ["array"]
    assert len(names(np.zeros((5, 4, 6, 3), np.uint8))) == 5
    assert names(PIL.Image.open(path)) == [str(path)]
    assert names(premask.Request(image=path, name="mine")) == ["mine"]


def test_a_folder_stands_for_its_images(folder: Path) -> None:
    assert names(folder) == names(str(folder)) == ["a.png", "more/b.png"]
    assert names([folder, folder / "a.png"]) == ["a.png", "more/b.png", str(folder / "a.png")]
    assert names(iter([folder])) == ["a.png", "more/b.png"]


def test_settings_are_given_by_name(folder: Path) -> None:
    premask.label(folder, "faces", settings={"refine.grow": 3, "find.neighbors": "4"})
    with pytest.raises(InvalidSetting):
        premask.label(folder, "faces", settings={"refine.grow": "many"})


@pytest.mark.parametrize("format", ["coco", "yolo", "png-masks", "png", "cutout", "label-studio"])
def test_labels_are_written_in_one_call(folder: Path, tmp_path: Path, format: str) -> None:
    written = premask.write(premask.label(folder, "subject-cutout"), format, tmp_path / "out")
    assert all(path.exists() for path in written)


def test_a_format_of_one_file_takes_a_file_or_a_folder(folder: Path, tmp_path: Path) -> None:
    images = list(premask.label(folder, "faces"))
    assert premask.write(images, "coco", tmp_path / "mine.json") == [tmp_path / "mine.json"]
    assert premask.write(images, "coco", str(tmp_path)) == [tmp_path / "coco.json"]
    premask.write(images, "coco", tmp_path / "two.json", classes=["dog", "cup"])
    coco = json.loads((tmp_path / "two.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["dog", "cup"]
    assert coco["annotations"][0]["category_id"] == 2


def test_an_image_says_what_it_is_and_not_its_pixels() -> None:
    image = premask.read_image(np.zeros((400, 600, 3), np.uint8), "cat.jpg")
    assert "cat.jpg" in repr(image)
    assert len(repr(Labeled(image=image))) < 300


@pytest.mark.parametrize(
    "broken",
    [
        {"height": None, "width": 4},
        {"height": 4},
        {"height": "4", "width": 4},
        {"height": -1, "width": 4},
    ],
)
def test_a_coco_file_without_sizes_says_which_image_lacks_them(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    image = {"id": 7, "file_name": "x.jpg", **broken}
    annotation = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    annotation["segmentation"] = [[0, 0, 1, 0, 1, 1]]
    coco = {"images": [image], "annotations": [annotation]}
    coco["categories"] = [{"id": 1, "name": "cup"}]
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    with pytest.raises(premask.PremaskError, match=r"x\.jpg.*(height|width)"):
        read_coco(tmp_path / "coco.json")
