"""YOLO's texts: corners are exact, an object is one line, classes keep their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, ModelFailed
from premask.images import Image
from premask.labels.yolo import annotations_from_yolo, read_yolo, write_yolo, yolo_lines
from premask.labels.yolo_dataset import categories_from_yaml, dataset_yaml
from premask.masks import Mask
from tests.golden.dataset import adversarial_masks

SIZE = (13, 17)


def annotation(mask: Mask, label: str = "cat") -> Annotation:
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)


def there_and_back(*annotations: Annotation, size: tuple[int, int]) -> tuple[Annotation, ...]:
    lines = yolo_lines(annotations, size, {"cat": 1})
    return annotations_from_yolo("\n".join(lines), size, ["cat"])


@pytest.mark.parametrize("name", [name for name in adversarial_masks() if name != "empty"])
def test_masks_come_back_pixel_by_pixel(name: str) -> None:
    found = annotation(Mask.from_array(adversarial_masks(*SIZE)[name]))
    assert there_and_back(found, size=SIZE) == (found,)


def test_random_parts_in_sizes_that_no_decimal_divides_come_back() -> None:
    random = np.random.default_rng(4)
    for _ in range(30):
        size = tuple(random.integers(5, 60, 2).tolist())
        found = annotation(Mask.from_array(random.random(size) < 0.35))
        assert there_and_back(found, size=size) == (found,)


def test_a_corner_of_a_large_image_stays_where_it_is() -> None:
    size = (10_007, 16_381)
    crop = np.ones((3, 2), np.bool_)
    found = annotation(Mask.from_crop(crop, (16_379, 10_003), size))
    assert there_and_back(found, size=size) == (found,)


def test_boxes_come_back() -> None:
    boxes = [Annotation(label="cat", box_xyxy=box) for box in [(0, 0, 17, 13), (3, 5, 4, 8)]]
    assert there_and_back(*boxes, size=SIZE) == tuple(boxes)


def test_the_shares_are_ultralytics() -> None:
    box = Annotation(label="dog", box_xyxy=(1, 1, 3, 2))
    pixel = annotation(Mask.from_crop(np.ones((1, 1), np.bool_), (1, 2), (4, 4)))
    box_line, pixel_line = yolo_lines([box, pixel], (4, 4), {"cat": 1, "dog": 2})
    assert box_line == "1 0.5 0.375 0.5 0.25"
    index, *shares = pixel_line.split()
    corners = set(zip(shares[0::2], shares[1::2], strict=True))
    assert index == "0"
    assert corners == {("0.25", "0.5"), ("0.5", "0.5"), ("0.5", "0.75"), ("0.25", "0.75")}


def test_an_empty_mask_has_no_line() -> None:
    assert list(yolo_lines([annotation(Mask.empty(SIZE))], SIZE, {"cat": 1})) == []


def test_classes_keep_their_numbers_from_image_to_image(tmp_path: Path) -> None:
    full = Mask.empty(SIZE).inverted()
    images = [
        labeled("a.jpg", annotation(full, "dog")),
        labeled("sub/b.jpg", annotation(full, "cat"), annotation(full, "dog")),
        labeled("nothing.jpg"),
        Labeled(image=Image.unread("broken.jpg"), error=ModelFailed("no")),
    ]
    write_yolo(images, tmp_path, ["cat"])
    texts = {
        str(path.relative_to(tmp_path)): [line[:1] for line in path.read_text().splitlines()]
        for path in tmp_path.rglob("*.txt")
    }
    assert texts == {
        "labels/a.txt": ["1"],
        "labels/sub/b.txt": ["0", "1"],
        "labels/nothing.txt": [],
    }
    assert (tmp_path / "data.yaml").read_text().endswith('names:\n  0: "cat"\n  1: "dog"\n')


def labeled(name: str, *annotations: Annotation) -> Labeled:
    return Labeled(image=Image(name=name, size_hw=SIZE), annotations=annotations)


@pytest.mark.parametrize(
    "label", ["cat", "yes", "a: b #c", 'say "x" \\', "Käse 图", "😀", "two\nlines\x85\x00\u2028"]
)
def test_yaml_reads_the_very_label(label: str) -> None:
    yaml: Any = pytest.importorskip("yaml")
    data = yaml.safe_load(dataset_yaml(["first", label]))
    assert data["names"] == {0: "first", 1: label}
    assert json.loads(json.dumps(data["train"])) == "images"
    assert categories_from_yaml(dataset_yaml(["first", label])) == ["first", label]


@pytest.mark.parametrize(
    "line",
    ["0", "0 0.1 0.2", "x 0 0 1 1", "7 0 0 1 1", "0 0 0 1 a", "0 0 0 1 1 0.5", "0 nan 0 1 1 1 0"],
)
def test_a_broken_line_is_named(line: str) -> None:
    with pytest.raises(InvalidMask, match="Line 2 can't be read as YOLO"):
        annotations_from_yolo(f"0 0.5 0.5 1 1\n{line}\n", SIZE, ["cat"])


@pytest.mark.parametrize(
    "text",
    [
        "names: [cat, 'big dog', \"a, [b]\"]",
        "path: .\nnames: ['cat',\n  'it''s', # two\n  'Käse']\nnc: 3\n",
        "names:\n- cat\n- 'a: b #c'  # what it is\n- hot dog # no bun\nnc: 3\n",
        "names:\n    1: dog\n    # between\n    0: 'cat'\n\n    2: \"\\x41\\u00e4\"\ntrain: a\n",
        'names: {0: cat, 1: "two, three"}\ndownload: |\n  1: no\n',
        "names: []",
    ],
)
def test_the_classes_of_other_peoples_files_are_what_yaml_says(text: str) -> None:
    yaml: Any = pytest.importorskip("yaml")
    names = yaml.safe_load(text)["names"]
    expected = [names[number] for number in range(len(names))]
    assert categories_from_yaml(text) == expected


@pytest.mark.parametrize("text", ["nc: 2\n", "names:\n  1: cat\n", "names:\n  0: a\n  2: b\n"])
def test_a_dataset_that_does_not_name_its_classes_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(InvalidMask, match=r"data.yaml' can't be read.*numbers from 0 on"):
        list(read_yolo(tmp_path))


def test_an_image_without_a_text_was_not_looked_at(tmp_path: Path) -> None:
    found = labeled("b.jpg", annotation(Mask.empty(SIZE).inverted()))
    write_yolo([found, labeled("nothing.jpg")], tmp_path)
    images = [Image(name=name, size_hw=SIZE) for name in ("a.jpg", "b.jpg", "nothing.jpg")]
    read = [(one.image.name, one.annotations) for one in read_yolo(tmp_path, images)]
    assert read == [("b.jpg", found.annotations), ("nothing.jpg", ())]


def test_an_image_of_unknown_size_is_named(tmp_path: Path) -> None:
    write_yolo([labeled("sub/a.jpg")], tmp_path)
    with pytest.raises(InvalidMask, match=r"nothing tells the size of 'sub/a'\. Pass the images"):
        list(read_yolo(tmp_path))
