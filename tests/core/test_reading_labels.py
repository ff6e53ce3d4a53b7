"""`premask.read`: the format is found by looking into the file, and everything streams."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Annotation, Image, Labeled, Mask
from premask.errors import InvalidMask, InvalidSetting, UnreadableImage
from premask.labels.formats import FORMATS
from tests.golden.dataset import GOLDEN, golden_images, place_of, write_format

FOUND = [name for name, form in FORMATS.items() if form.recognizes and form.read]
SAME_READER = {"coco": "coco-", "label-studio": "label-studio-"}


@pytest.mark.parametrize("name", FOUND)
def test_what_premask_writes_is_recognized_and_read(name: str, tmp_path: Path) -> None:
    write_format(name, golden_images(), tmp_path)
    images = [one.image for one in golden_images()[:2]]
    dataset = premask.read(tmp_path / place_of(name), images)
    assert name == dataset.format or name.startswith(SAME_READER.get(dataset.format, "?"))
    assert len(list(dataset)) == 2
    assert [one.annotations for one in dataset] == [one.annotations for one in dataset]


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("", "an empty file"),
        ("hello", "begins with b'hello'"),
        ('{"shapes": 3, "flags": {}}', "a JSON object with shapes"),
        ('[{"a": 1, "b": 2}]', "a JSON list of objects with a, b"),
        ("[]", r"begins with b'\[\]'"),
    ],
)
def test_what_is_no_format_says_what_was_seen(tmp_path: Path, content: str, seen: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InvalidMask, match=rf"x\.json' has labels in no format.*{seen}"):
        premask.read(tmp_path / "x.json")
    with pytest.raises(InvalidMask, match=r"a folder of 1 files \(1 \.json\), such as x\.json"):
        premask.read(tmp_path)
    with pytest.raises(InvalidMask, match="can't be read: No such file"):
        premask.read(tmp_path / "gone.json")


def coco_file(path: Path, **more: Any) -> Path:
    """What other people's files hold beyond what premask knows; ids neither start at 1 nor rise."""
    square = [[1.0, 1.0, 4.0, 1.0, 4.0, 4.0, 1.0, 4.0]]
    images = [
        {"id": 70, "file_name": "a.jpg", "height": 6, "width": 8, "license": 4, "flickr": "x"},
        {"id": 9, "file_name": "b.jpg", "height": 6, "width": 8, "date_captured": "2014"},
    ]
    records = [
        {"id": 55, "image_id": 9, "category_id": 18, "bbox": [1, 1, 3, 3], "attributes": {"x": 1}},
        {"id": 7, "image_id": 70, "category_id": 3, "segmentation": square, "caption": "äh"},
        {"id": 900100, "image_id": 9, "category_id": 3, "bbox": [0, 0, 1, 1], "iscrowd": 1},
    ]
    categories = [
        {"id": 18, "name": "dog", "supercategory": "animal"},
        {"id": 3, "name": "car", "keypoints": ["wheel"], "skeleton": [[1, 2]]},
    ]
    data = {"info": {"year": 2014}, "licenses": [{"id": 4}], "images": images}
    data |= {"annotations": records, "categories": categories, "splits": {"train": [70]}}
    path.write_text(json.dumps(data | more))
    return path


def test_what_premask_does_not_know_of_coco_survives_with_all_ids(tmp_path: Path) -> None:
    path = coco_file(tmp_path / "theirs.json")
    dataset = premask.read(path)
    assert dataset.classes == ("dog", "car")
    premask.write(dataset, "coco", tmp_path / "ours.json")
    theirs, ours = json.loads(path.read_bytes()), json.loads((tmp_path / "ours.json").read_bytes())
    assert ours.keys() == theirs.keys()
    for key in ("info", "licenses", "splits", "categories", "images"):
        assert ours[key] == theirs[key]
    by_id = {record["id"]: record for record in ours["annotations"]}
    for record in theirs["annotations"]:
        kept = {key: value for key, value in record.items() if key not in ("segmentation", "bbox")}
        assert kept.items() <= by_id[record["id"]].items()


def test_results_have_the_names_of_the_file_that_they_are_for(tmp_path: Path) -> None:
    truth = coco_file(tmp_path / "truth.json")
    rle = Mask.from_array(np.eye(6, 8)).rle
    results = [
        {"image_id": 70, "category_id": 18, "segmentation": rle, "score": 0.5},
        {"image_id": 70, "category_id": 3, "bbox": [1, 1, 2, 2], "score": 0.25},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    first, second = premask.read(path, truth=truth)
    assert [(found.label, found.score) for found in first.annotations] == [
        ("dog", 0.5),
        ("car", 0.25),
    ]
    assert first.image.name == "a.jpg"
    assert second.annotations == ()
    with pytest.raises(InvalidSetting, match="Say which COCO file they are of"):
        premask.read(path)
    path.write_text(json.dumps([{**results[0], "image_id": 1}]))
    with pytest.raises(InvalidMask, match=r"results\.json.*image_id 1 is not in"):
        list(premask.read(path, truth=truth))
    with pytest.raises(InvalidSetting, match="is coco, which needs no other file"):
        premask.read(truth, truth=truth)


def many(count: int) -> Iterator[Labeled]:
    found = Annotation(label="a", box_xyxy=(1, 2, 3, 4), extra={"note": "x" * 400})
    for place in range(count // 50):
        image = Image(name=f"{place}.jpg", size_hw=(40, 50))
        yield Labeled(image=image, annotations=(found,) * 50)


def test_coco_streams(tmp_path: Path) -> None:
    """Twice as many annotations: some 24 bytes more for each, of 500 in the file."""
    peaks = []
    for count in (1_000, 2_000):
        path = tmp_path / f"{count}.json"
        premask.write(many(count), "coco", path)
        tracemalloc.start()
        assert sum(len(one.annotations) for one in premask.read(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 80 * 1_000
    assert path.stat().st_size > 10 * (peaks[1] - peaks[0])


@pytest.mark.parametrize("records_first", [True, False])
def test_lists_in_any_order_and_records_in_no_order(tmp_path: Path, records_first: bool) -> None:
    data = json.loads(coco_file(tmp_path / "a.json").read_bytes())
    keys = sorted(data, reverse=records_first)
    (tmp_path / "b.json").write_text(json.dumps({key: data[key] for key in keys}, indent=2))
    first, second = (premask.read(tmp_path / name) for name in ("a.json", "b.json"))
    assert [(one.image.name, one.annotations) for one in first] == [
        (one.image.name, one.annotations) for one in second
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [], "annotations": [], "categories": [1]}',
        '{"images": [{"id": 1}], "annotations": [], "categories": []}',
        '{"images": [{"id": []}], "annotations": [], "categories": []}',
        '{"images": [], "annotations": [{"image_id": 1}], "categories": []}',
        '{"images": [], "annotations": [{"image_id": {}}], "categories": []}',
        '{"images": [], "annotations": [], "categories": []',
        '{"images": [], "annotations": [], "categories": []} x',
        '{"images": [], "annotations": {}, "categories": []}',
        '{"images": [], "annotations": [' + "[" * 100_000,
    ],
)
def test_a_hostile_coco_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InvalidMask, match=r"a\.json'"):
        list(premask.read(tmp_path / "a.json", format="coco"))


def yolo_set(folder: Path, images: str, labels: str, yaml: str) -> Path:
    """A dataset as other tools arrange them: one image lies on its side, one has no text."""
    (folder / images).mkdir(parents=True)
    (folder / labels).mkdir(parents=True)
    exif = PIL.Image.Exif()
    exif[274] = 6
    PIL.Image.new("RGB", (20, 10)).save(folder / images / "turned.jpg", exif=exif)
    PIL.Image.new("RGB", (20, 10)).save(folder / images / "none.jpg")
    (folder / labels / "turned.txt").write_text("1 0.5 0.5 0.2 0.2 0.5\n0 0 0 1 0 1 1 0 1 0.75\n")
    (folder / "data.yaml").write_text(yaml)
    return folder


@pytest.mark.parametrize(
    ("images", "labels", "yaml", "name"),
    [
        ("images/train", "labels/train", "train: images/train\nnames: [a, b]\n", "train/none.jpg"),
        ("train/images", "train/labels", "nc: 2\nnames: ['a', 'b']\n", "train/images/none.jpg"),
        ("images", "labels", "path: /nowhere/at all\nnames: {0: a, 1: b}\n", "none.jpg"),
    ],
)
def test_yolo_datasets_of_other_tools_are_read_with_their_own_images(
    tmp_path: Path, images: str, labels: str, yaml: str, name: str
) -> None:
    folder = yolo_set(tmp_path, images, labels, yaml)
    for path in (folder, folder / "data.yaml"):
        dataset = premask.read(path)
        assert (dataset.format, dataset.classes) == ("yolo", ("a", "b"))
        empty, turned = dataset
        assert (empty.image.name, empty.annotations) == (name, ())
        assert turned.image.size_hw == (20, 10), "upright"
        box, polygon = turned.annotations
        assert (box.label, box.box_xyxy, box.score) == ("b", (4, 8, 6, 12), 0.5)
        assert (polygon.label, polygon.score) == ("a", 0.75)
        assert polygon.mask is not None
        assert dataset.images.require(turned.image.name).is_file()


@pytest.mark.parametrize("line", ["2 0 0 1 1", "-1 0 0 1 1", "x 0 0 1 1", "0 nan 0 1 0 1 1"])
def test_a_hostile_line_is_named(tmp_path: Path, line: str) -> None:
    folder = yolo_set(tmp_path, "images", "labels", "names: [a, b]\n")
    (folder / "labels/turned.txt").write_text(line)
    with pytest.raises(InvalidMask, match=r"turned\.txt': Line 1 can't be read as YOLO"):
        list(premask.read(folder))


def test_keypoints_are_refused_instead_of_read_as_polygons(tmp_path: Path) -> None:
    folder = yolo_set(tmp_path, "images", "labels", "kpt_shape: [17, 3]\nnames: [a, b]\n")
    with pytest.raises(InvalidMask, match="keypoints"):
        premask.read(folder)


def test_images_are_found_by_the_last_part_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "photos/sub").mkdir(parents=True)
    for name in ("sub/a.jpg", "b.jpg", "sub/b.jpg"):
        PIL.Image.new("RGB", (8, 6)).save(tmp_path / "photos" / name)
    images = premask.read(coco_file(tmp_path / "c.json"), tmp_path / "photos").images
    assert images.require("train/a.jpg") == (tmp_path / "photos/sub/a.jpg").absolute()
    assert images.require("b.jpg") == (tmp_path / "photos/b.jpg").absolute()
    with pytest.raises(UnreadableImage, match="2 files have that name"):
        images.require("train/b.jpg")
    with pytest.raises(UnreadableImage, match="no file has that name among the 3"):
        images.require("c.jpg")


def test_a_folder_of_results_is_read_from_its_journal(tmp_path: Path) -> None:
    from premask.cli import main

    picture = PIL.Image.new("RGB", (40, 30), "black")
    picture.paste("white", (10, 10, 20, 20))
    picture.save(tmp_path / "a.png")
    command = ["annotate", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    flags = ["--recipe", "click", "--boxes", "8,8,22,22", "--label", "x", "--format", "png-alpha"]
    assert main([*command, *flags]) == 0
    dataset = premask.read(tmp_path / "out")
    (one,) = dataset
    assert dataset.format == "run"
    assert (one.image.name, [found.label for found in one.annotations]) == ("a.png", ["x"])
    assert dataset.images.require("a.png") == (tmp_path / "a.png").absolute()


def test_labels_of_clips_are_told_from_those_of_images() -> None:
    with pytest.raises(InvalidMask, match=r"clips \(ytvis\).* premask convert .* --to coco"):
        premask.read(GOLDEN / "clips/ytvis.json")


def test_golden_results_are_read_by_name() -> None:
    dataset = premask.read(GOLDEN / "coco_results.json", truth=GOLDEN / "coco.json")
    wanted = premask.read(GOLDEN / "coco.json")
    assert [one.image.name for one in dataset] == [one.image.name for one in wanted]
    assert dataset.classes == wanted.classes
