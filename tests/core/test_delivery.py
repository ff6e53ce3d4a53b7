"""What is delivered into a folder: each image's files, all images' files, and only some classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import PremaskError
from premask.images import Image, read_image
from premask.labels.formats import FORMATS, formats_of
from premask.masks import Mask
from premask.runs.delivery import Delivery


def photo(name: str, *labels: str) -> Labeled:
    found = []
    for place, label in enumerate(labels):
        pixels = np.zeros((6, 8), np.bool_)
        pixels[place : place + 2, 1:7] = True
        mask = Mask.from_array(pixels)
        found.append(Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask))
    image = read_image(np.zeros((6, 8, 3), np.uint8), name)
    return Labeled(image=image, annotations=tuple(found))


PHOTOS = (photo("a.png", "dog", "cat"), photo("b.png", "bird"))


def test_all_images_are_read_once_for_each_file_that_holds_them(tmp_path: Path) -> None:
    delivery = Delivery(folder=tmp_path, formats=formats_of(["coco", "png-masks", "yolo"]))
    readings = []

    def read_all() -> Iterator[Labeled]:
        readings.append("begun")
        return iter(PHOTOS)

    written = delivery.write_dataset_files(read_all, ["bird", "cat", "dog"])
    assert len(readings) == delivery.dataset_readings == 2
    assert written[0] == tmp_path / "coco.json"
    assert tmp_path / "masks" in written


def test_only_the_chosen_classes_are_written_and_numbered_in_their_order(tmp_path: Path) -> None:
    formats = formats_of(["coco", "png-masks"])
    delivery = Delivery(folder=tmp_path, formats=formats, classes=("dog", "bird"))
    delivery.write_dataset_files(lambda: PHOTOS, ["bird", "cat", "dog"])
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["dog", "bird"]
    assert [found["category_id"] for found in coco["annotations"]] == [1, 2]
    dog_only = delivery.write_image_files(PHOTOS[0], "a")
    assert dog_only == [tmp_path / "masks" / "a_0.png"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_of_an_image_are_known_before_they_are_written(tmp_path: Path, name: str) -> None:
    delivery = Delivery(folder=tmp_path, formats=[FORMATS[name]])
    expected = delivery.image_files(PHOTOS[0], "a")
    assert delivery.write_image_files(PHOTOS[0], "a") == expected
    assert bool(expected) == delivery.has_image_files == (delivery.dataset_readings == 0)
    assert all(path.is_file() for path in expected)


def test_an_image_that_failed_has_no_files(tmp_path: Path) -> None:
    delivery = Delivery(folder=tmp_path, formats=formats_of(["png", "cutout"]))
    failed = Labeled(image=Image.unread("a.png"), error=PremaskError("broken"))
    assert delivery.write_image_files(failed, "a") == []
    assert list(tmp_path.iterdir()) == []
