"""What is in labels is counted, and images that are there twice are found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Labeled
from premask.cli import main
from premask.datasets.lookalikes import near_groups
from premask.datasets.statistics import stats
from tests.core.coco_sample import unpack
from tests.core.two_sides import TRUE, photo, square, thing


def test_classes_sizes_and_empty_images() -> None:
    result = stats([*TRUE, photo("d.png", thing("cat", square(0, 0, 35)))])
    assert (result.images, result.empty, result.annotations, result.masks) == (4, 1, 4, 4)
    cat, dog = result.classes["cat"], result.classes["dog"]
    assert (cat.objects, cat.images, cat.small, cat.medium, cat.large) == (3, 3, 2, 1, 0)
    assert (dog.objects, dog.images) == (1, 1)
    assert dict(result.sizes) == {"60 x 40": 4}


def test_coco_is_counted_as_it_says_itself(tmp_path: Path) -> None:
    true, _, _ = unpack(tmp_path)
    data, result = json.loads(true.read_bytes()), stats(true)
    assert result.images == len(data["images"])
    assert result.annotations == len(data["annotations"])
    assert result.crowds == sum(record["iscrowd"] for record in data["annotations"])
    names = {category["id"]: category["name"] for category in data["categories"]}
    for label, of_class in result.classes.items():
        own = [r for r in data["annotations"] if names[r["category_id"]] == label]
        assert of_class.objects == len(own)
        assert of_class.images == len({record["image_id"] for record in own})


def test_the_same_labels_under_another_name() -> None:
    size = (400, 600)
    cat = thing("cat", square(0, 0, 100, size))
    dogs = [thing("dog", square(200, 0, side, size)) for side in (100, 101)]
    pairs = [("a.png", dogs[0]), ("again.png", dogs[0]), ("near.png", dogs[1])]
    result = stats([photo(name, cat, dog, size_hw=size) for name, dog in pairs])
    assert result.same == [["a.png", "again.png"]]
    assert result.alike == [["a.png", "near.png"]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo, its bytes again, a smaller JPEG of it, another photo, and two flat ones."""
    random = np.random.default_rng(6)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("first", "other"):
        coarse = PIL.Image.fromarray(random.integers(0, 255, (9, 12, 3), np.uint8))
        coarse.resize((120, 90), PIL.Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    (folder / "copy.png").write_bytes((folder / "first.png").read_bytes())
    with PIL.Image.open(folder / "first.png") as picture:
        picture.resize((80, 60)).save(folder / "small.jpg", quality=60)
    PIL.Image.new("RGB", (30, 30), "red").save(folder / "red.png")
    PIL.Image.new("RGB", (30, 30), "blue").save(folder / "blue.png")
    return folder


def labels_of(folder: Path) -> list[Labeled]:
    return [photo(path.name) for path in sorted(folder.iterdir())]


def test_images_that_are_there_twice(photos: Path) -> None:
    """Flat surfaces look all the same, and are not the same image."""
    result = stats(labels_of(photos), photos)
    assert result.same == [["copy.png", "first.png"]]
    assert result.alike == [["copy.png", "small.jpg"]]


def test_hashes_are_near_by_the_bits_that_differ() -> None:
    random = np.random.default_rng(8)
    hashes = {f"{n}": int.from_bytes(random.bytes(8), "big") | 1 for n in range(300)}
    hashes["near"] = hashes["7"] ^ 0x8000_0400_0020_0010
    hashes["far"] = hashes["9"] ^ 0x8000_0400_0021_0011
    assert near_groups(hashes) == [["7", "near"]]


def test_the_command_prints_tables_or_json(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = photos.parent / "labels.json"
    premask.write([*labels_of(photos), photo("x.png", thing("cat", square(0, 0)))], "coco", path)
    assert main(["stats", str(path), "--images", str(photos)]) == 0
    said = capsys.readouterr().out
    assert "images with the same pixels:\ncopy.png, first.png" in said
    assert main(["stats", str(path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["classes"][0]["label"] == "cat"
