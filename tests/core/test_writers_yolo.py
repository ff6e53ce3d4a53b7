"""YOLO's texts: OpenCV draws the very mask, an object is one line, classes keep their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, ModelFailed, UnwritableOutput
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


def drawn(line: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What Ultralytics makes of a line: `polygon2mask` cuts decimals off, and lets OpenCV draw."""
    points = np.array(line.split()[1:], np.float32).reshape(-1, 2)
    points *= np.array(size[::-1], np.float32)
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas.astype(np.bool_)


def pieces(pixels: NDArray[np.bool_]) -> int:
    return int(ndimage.label(pixels, np.ones((3, 3)))[1])


@pytest.mark.parametrize("name", [name for name in adversarial_masks() if name != "empty"])
def test_what_is_drawn_is_the_mask_and_is_read_again(name: str) -> None:
    pixels = adversarial_masks(*SIZE)[name]
    found = annotation(Mask.from_array(pixels))
    (line,) = yolo_lines([found], SIZE, {"cat": 1})
    (read,) = there_and_back(found, size=SIZE)
    assert read == annotation(Mask.from_array(drawn(line, SIZE)))
    if pieces(pixels) == 1:
        assert read == found


def test_random_pieces_in_sizes_that_no_decimal_divides_are_drawn_exactly() -> None:
    random = np.random.default_rng(4)
    in_one_piece = 0
    for _ in range(100):
        size = tuple(random.integers(5, 60, 2).tolist())
        noise = ndimage.gaussian_filter(random.random(size), 1.5)
        pixels = noise > np.quantile(noise, 0.25)
        found = annotation(Mask.from_array(pixels))
        (line,) = yolo_lines([found], size, {"cat": 1})
        (read,) = there_and_back(found, size=size)
        assert read.mask == Mask.from_array(drawn(line, size))
        if pieces(pixels) == 1:
            in_one_piece += 1
            assert read == found
    assert in_one_piece >= 10


def test_parts_are_joined_by_the_shortest_lines_and_specks_that_would_cost_more_are_left() -> None:
    pixels = np.zeros((9, 30), np.bool_)
    pixels[2:7, 2:7] = pixels[2:7, 10:15] = True  # three pixels apart
    pixels[4, 25] = True  # ten pixels away
    (read,) = there_and_back(annotation(Mask.from_array(pixels)), size=pixels.shape)
    assert read.mask is not None
    assert read.mask.area == 25 + 25 + 3
    assert not read.mask.to_array()[4, 15:].any()


def test_a_square_is_drawn_as_large_as_it_is() -> None:
    square = annotation(Mask.from_crop(np.ones((10, 10), np.bool_), (5, 5), (20, 20)))
    (line,) = yolo_lines([square], (20, 20), {"cat": 1})
    assert drawn(line, (20, 20)).sum() == 100
    points = np.array(line.split()[1:], float).reshape(-1, 2) * 20
    # Ultralytics makes the box of the polygon's points.
    assert np.abs([*points.min(axis=0) - 5, *points.max(axis=0) - 15]).max() < 0.02


def test_other_peoples_polygons_are_read_as_opencv_draws_them() -> None:
    random, size = np.random.default_rng(3), (48, 64)
    different = pixels = 0
    for _ in range(100):
        shares = random.random(2 * random.integers(3, 12))
        line = " ".join(["0", *map(str, shares)])
        (read,) = annotations_from_yolo(line, size, ["cat"])
        assert read.mask is not None
        wanted = drawn(line, size)
        different += int((read.mask.to_array() != wanted).sum())
        pixels += int(wanted.sum())
    assert different < 0.01 * pixels  # where an edge runs between two pixels, roundings differ


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
    points = np.array(shares, float).reshape(-1, 2) * 4
    assert index == "0"
    assert set(map(tuple, points.astype(int).tolist())) == {(1, 2)}


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
    assert (data["train"], "path" in data) == ("images", False)
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


def test_the_text_is_where_yolo_looks_for_it(tmp_path: Path) -> None:
    """It replaces the last folder that is called `images`, wherever that is."""
    found = annotation(Mask.empty(SIZE).inverted())
    names = ["train/images/x.png", "images/y.jpg", "Images/z.jpg", "w.images.png"]
    write_yolo([labeled(name, found) for name in names], tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt")} == {
        "images/train/labels/x.txt",
        "images/labels/y.txt",
        "labels/Images/z.txt",
        "labels/w.images.txt",
    }
    images = [Image(name=name, size_hw=SIZE) for name in names]
    assert [one.annotations for one in read_yolo(tmp_path, images)] == [(found,)] * 4


def test_two_images_that_yolo_can_not_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwritableOutput, match=r"labels/x.txt, for both 'x.jpg' and 'x.png'"):
        write_yolo([labeled("x.jpg"), labeled("x.png")], tmp_path)


def test_boxes_among_masks_become_rectangles(tmp_path: Path) -> None:
    """Ultralytics drops an image that has both, and all polygons of a dataset that has both."""
    box = Annotation(label="cat", box_xyxy=(3, 5, 7, 8))
    mask = annotation(Mask.empty(SIZE).inverted())
    images = [labeled("boxes.jpg", box), labeled("both.jpg", box, mask), labeled("none.jpg")]
    write_yolo(images, tmp_path / "both")
    columns = [
        len(line.split())
        for path in (tmp_path / "both").rglob("*.txt")
        for line in path.read_text().splitlines()
    ]
    assert columns == [9] * 3
    (first, *_) = read_yolo(tmp_path / "both", [one.image for one in images])
    assert first.annotations[0].box_xyxy == (3, 5, 7, 8)
    write_yolo([images[0], images[2]], tmp_path / "boxes")
    assert (tmp_path / "boxes/labels/boxes.txt").read_text().count(" ") == 4
