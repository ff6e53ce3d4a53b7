"""Datasets as people and their tools leave them: odd names, odd numbers, files that are broken."""

from __future__ import annotations

import gc
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

import premask
from premask.cli import main
from premask.datasets.conversion import convert
from premask.datasets.health import check
from premask.datasets.merging import merge
from premask.datasets.splitting import Split
from premask.datasets.training_set import Conversion
from premask.errors import InvalidMask, UnwritableOutput
from premask.labels.image_names import ImageNames
from premask.runs.progress import Progress
from tests.core.live_masks import live_masks
from tests.core.two_sides import SIZE, TRUE, photo, square, thing

Json = dict[str, Any]
POLYGON = [5, 5, 15, 5, 15, 15, 5, 15]


def picture(path: Path, color: int = 90, *, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = PIL.Image.Exif()
    exif[274] = orientation
    PIL.Image.new("RGB", (SIZE[1], SIZE[0]), (color, 40, 10)).save(path, exif=exif)


def coco(path: Path, *names: str, categories: Any = ({"id": 1, "name": "cat"},), **of: Any) -> Path:
    """An object in each image; `of` are further keys of the annotations."""
    images = [
        {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for number, name in enumerate(names, start=1)
    ]
    own = {"category_id": categories[-1]["id"], "bbox": [5, 5, 10, 10], "area": 100}
    records = [
        {"id": n, "image_id": n, "segmentation": [POLYGON], **own, **of}
        for n in range(1, len(names) + 1)
    ]
    data = {"images": images, "annotations": records, "categories": list(categories)}
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def test_names_from_windows_and_from_macos_find_their_images(tmp_path: Path) -> None:
    accented = unicodedata.normalize("NFC", "é.png")
    names = ("train\\a.png", "C:\\data\\val\\a.png", accented)
    for number, name in enumerate(("train/a.png", "val/a.png")):
        picture(tmp_path / "photos" / name, number)
    picture(tmp_path / "photos" / unicodedata.normalize("NFD", accented), 3)
    dataset = premask.read(coco(tmp_path / "c.json", *names), tmp_path / "photos")
    convert(dataset, Conversion(format="yolo", out=tmp_path / "set", copy="copy"))
    written = {p.relative_to(tmp_path / "set").as_posix() for p in tmp_path.glob("set/*/**/*.*")}
    assert {"images/train/a.png", "labels/train/a.txt", "labels/data/val/a.txt"} <= written
    assert len(list(premask.read(tmp_path / "set"))) == 3
    assert not check(tmp_path / "c.json", tmp_path / "photos").problems


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x/train/b.jpg", "train/b.jpg"),
        ("b.jpg", "b.jpg"),
        ("other/b.jpg", None),
        ("other/a.jpg", "val/a.jpg"),
        ("gone.jpg", None),
    ],
)
def test_a_name_is_found_by_how_it_ends_if_that_means_one(name: str, found: str | None) -> None:
    assert ImageNames.of(["b.jpg", "train/b.jpg", "val/b.jpg", "val/a.jpg"]).find(name) == found


def test_a_folder_of_a_set_may_have_dots_in_its_name(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png")
    dataset = premask.read(coco(tmp_path / "c.json", "a.png"), tmp_path / "photos")
    for form, label in (("yolo", "labels/a.txt"), ("coco", "coco.json"), ("voc", "JPEGImages")):
        out = tmp_path / f"project.v3i.{form}"
        convert(dataset, Conversion(format=form, out=out, copy="copy"))
        assert (out / label).exists()
        assert (out / "manifest.json").is_file()
        assert list(out.rglob("a.png"))
    assert not (tmp_path / "images").exists()
    assert not (tmp_path / "manifest.json").exists()


def test_an_image_whose_labels_know_no_file_is_that_of_a_run_which_does(tmp_path: Path) -> None:
    """As in `premask merge run faces/coco.json`."""
    for name in ("a.png", "b.png"):
        picture(tmp_path / "photos" / name, ord(name[0]))
    known = premask.read(coco(tmp_path / "one.json", "a.png", "b.png"), tmp_path / "photos")
    other = coco(tmp_path / "two.json", "a.png", "b.png", categories=({"id": 1, "name": "dog"},))
    for datasets in ([known, premask.read(other)], [premask.read(other), known]):
        merged = merge(datasets)
        assert [one.image.name for one in merged.dataset] == ["a.png", "b.png"]
        assert (merged.shared_images, merged.renamed) == (2, {})
        assert all(len(one.annotations) == 2 for one in merged.dataset)


def test_objects_of_formats_without_classes_are_kept(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / "photos" / name)
    for form in ("png-masks", "png-objects", "png-alpha"):
        premask.write(TRUE, form, tmp_path / form)
        dataset = premask.read(tmp_path / form, tmp_path / "photos")
        done = convert(dataset, Conversion(format="coco", out=tmp_path / f"{form}.json"))
        assert (done.classes, dict(done.left_out)) == (("object",), {})
        assert done.parts["all"].annotations["object"] == (2 if form == "png-alpha" else 3)


def test_one_broken_image_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a.png", "empty.png", "cut.jpg")
    for name in names:
        picture(tmp_path / "photos" / name, orientation=6)
    (tmp_path / "photos/empty.png").write_bytes(b"")
    whole = (tmp_path / "photos/cut.jpg").read_bytes()
    (tmp_path / "photos/cut.jpg").write_bytes(whole[:-300])
    labels = coco(tmp_path / "c.json", *names)
    command = ["convert", str(labels), "--images", str(tmp_path / "photos"), "--copy", "upright"]
    assert main([*command, "--to", "yolo", "--out", str(tmp_path / "set")]) == 0
    said = capsys.readouterr().out
    assert "left out: 2 images whose files can't be read" in said
    assert "of another size than their labels are for: 1 image, such as a.png" in said
    assert [path.name for path in (tmp_path / "set/images").iterdir()] == ["a.png"]
    assert json.loads((tmp_path / "set/manifest.json").read_text())["parts"]["all"]["images"] == 1


def test_a_yolo_set_of_roboflow_with_what_macos_puts_into_archives(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        picture(tmp_path / part / "images/a_jpg.rf.1.jpg")
        text = tmp_path / part / "labels/a_jpg.rf.1.txt"
        text.parent.mkdir()
        text.write_text("1 0.5 0.5 0.2 0.2\n" if part == "train" else "")
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['cat', 'big dog']\n"
        "\nroboflow:\n  workspace: w\n"
    )
    (tmp_path / "README.roboflow.txt").write_text("1 2 3\n")
    (tmp_path / "train/images/._a.jpg").write_bytes(b"\0\5\x16\7")
    (tmp_path / "train/images/zero.png").write_bytes(b"")
    read = list(premask.read(tmp_path))
    assert [len(one.annotations) for one in read] == [0, 1, 0, 0]
    assert (
        str(read[-1].error)
        == f"'{tmp_path}/train/images/zero.png' can't be read: the file is empty"
    )
    assert check(tmp_path).counts() == {"unreadable": 1}
    assert premask.stats(tmp_path).failed == 1


def test_images_that_differ_in_their_suffix_become_two_in_a_yolo_set(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        picture(tmp_path / "photos" / name)
    dataset = premask.read(coco(tmp_path / "c.json", "a.png", "a.jpg"), tmp_path / "photos")
    convert(dataset, Conversion(format="yolo", out=tmp_path / "set", copy="copy"))
    assert {path.name for path in (tmp_path / "set").rglob("a*")} == {
        *("a.png", "a-2.jpg", "a.txt", "a-2.txt")
    }


def test_two_images_of_one_name_are_told_and_merge_makes_one_of_them(tmp_path: Path) -> None:
    labels = coco(tmp_path / "c.json", "a.png", "a.png")
    with pytest.raises(InvalidMask, match=r"two images called 'a.png'.* premask merge"):
        convert(premask.read(labels), Conversion(format="coco", out=tmp_path / "out.json"))
    assert main(["merge", str(labels), "--out", str(tmp_path / "one.json")]) == 0
    (one,) = premask.read(tmp_path / "one.json")
    assert one.image.name == "a.png"


@pytest.mark.parametrize(
    "segmentation",
    [POLYGON, [[[5, 5], [15, 5], [15, 15], [5, 15]]], [list(map(str, POLYGON))]],
    ids=["no list around it", "points in pairs", "texts"],
)
def test_polygons_in_other_shapes_are_read_and_mended(segmentation: Any, tmp_path: Path) -> None:
    labels = coco(tmp_path / "c.json", "a.png", segmentation=segmentation)
    (one,) = premask.read(labels)
    assert one.annotations[0].mask == square(5, 5)
    assert check(labels, out=tmp_path / "mended.json").counts() == {"form": 1}
    (record,) = json.loads((tmp_path / "mended.json").read_text())["annotations"]
    assert record["segmentation"] == [POLYGON]


def test_numbers_as_pandas_writes_them_lose_nothing(tmp_path: Path) -> None:
    labels = coco(tmp_path / "c.json", "a.png", image_id=1.0, category_id=1.0, id=1.0)
    data = json.loads(labels.read_text())
    data["images"][0] |= {"id": 1.0, "height": 40.0, "width": 60.0}
    labels.write_text(json.dumps(data))
    assert not check(labels, out=tmp_path / "mended.json").problems
    for path in (labels, tmp_path / "mended.json"):
        (one,) = premask.read(path)
        assert (one.image.size_hw, len(one.annotations)) == (SIZE, 1)
    data["images"][0] |= {"height": "40"}
    labels.write_text(json.dumps(data))
    assert check(labels, out=tmp_path / "mended.json").counts() == {"size": 1}
    assert not check(tmp_path / "mended.json").problems


def test_two_categories_of_one_name_are_one_class(tmp_path: Path) -> None:
    labels = coco(
        tmp_path / "c.json",
        "a.png",
        categories=({"id": 1, "name": "cat"}, {"id": 7, "name": "cat"}),
    )
    result = premask.evaluate(labels, labels)
    assert [row["class"] for row in result.classes] == ["cat"]
    assert result.numbers["at one point"]["F1"] == 1


def test_panoptic_maps_are_not_taken_for_broken_coco(tmp_path: Path) -> None:
    premask.write(TRUE, "coco-panoptic", tmp_path / "panoptic.json")
    assert check(tmp_path / "panoptic.json").counts() == {}
    assert main(["check", str(tmp_path / "panoptic.json"), "--fix", str(tmp_path / "x.json")]) == 2
    assert not (tmp_path / "x.json").exists()


def test_lists_of_names_may_begin_above_the_images(tmp_path: Path) -> None:
    """As YOLO's own train.txt does."""
    (tmp_path / "train.txt").write_text("./images/train/a.jpg\n/home/me/b/c.jpg\n")
    (tmp_path / "val.txt").write_text("x\\d.jpg\ne\n")
    split = Split.of(f"{tmp_path / 'train.txt'},{tmp_path / 'val.txt'}")
    names = ["a.jpg", "b/c.jpg", "x/d.jpg", "f/e.jpg", "c.jpg"]
    assigned = split.assigned({name: {} for name in names})
    assert assigned == dict.fromkeys(("a.jpg", "b/c.jpg"), "train") | dict.fromkeys(
        ("x/d.jpg", "f/e.jpg"), "val"
    )


def test_images_of_one_name_in_other_folders_are_compared(tmp_path: Path) -> None:
    """Each side has its own folders above the same two."""
    mine = [photo(f"data/{part}/a.png", thing("cat", square(0, 0))) for part in ("x", "y")]
    theirs = [photo(f"/home/me/{part}/a.png", thing("cat", square(0, 0))) for part in ("y", "x")]
    assert premask.compare(mine, theirs).totals["both"] == 2


def test_check_tells_how_far_it_is(tmp_path: Path) -> None:
    seen: list[Progress] = []
    check(coco(tmp_path / "c.json", "a.png", "b.png"), on_progress=seen.append)
    assert [(one.done, one.total, one.thing) for one in seen] == [
        *((1, None, "images"), (2, None, "images")),
        *((1, 2, "annotations"), (2, 2, "annotations")),
    ]
    premask.write(TRUE, "label-studio", tmp_path / "tasks.json")
    check(tmp_path / "tasks.json", on_progress=seen.append)
    assert seen[-1].done == 3


@pytest.mark.parametrize("work", [check, premask.stats])
def test_masks_that_were_looked_at_are_not_kept(
    work: Callable[..., object], tmp_path: Path
) -> None:
    """A million of them have no room; what is left of each is a hash, or waits on the disk."""
    labeled = [
        photo(f"{x}.png", *(thing("cat", square(x, y)) for y in range(9))) for x in range(30)
    ]
    premask.write(labeled, "coco", tmp_path / "c.json")
    del labeled
    alive: list[int] = []

    def count(progress: Progress) -> None:
        if progress.done == progress.total or progress.done == 30:
            gc.collect()
            alive.append(live_masks())

    before = live_masks()
    work(tmp_path / "c.json", on_progress=count)
    assert alive
    assert max(alive) <= before + 30


def test_of_several_annotators_the_ground_truth_counts(tmp_path: Path) -> None:
    def said(label: str, **more: Any) -> Json:
        value = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": [label]}
        size = {"original_width": SIZE[1], "original_height": SIZE[0]}
        region = {"id": label, "type": "rectanglelabels", "from_name": "l", "to_name": "i"}
        return {"result": [{**region, **size, "value": value}], "was_cancelled": False, **more}

    by = [said("cat", completed_by=1), said("dog", completed_by={"id": 2})]
    marked = [said("cat", ground_truth=True), said("dog", ground_truth=False), said("bird")]
    skipped = [said("cat", was_cancelled=True)]
    tasks = [
        {"id": number, "data": {"image": f"/data/upload/1/ab12cd34-{number}.png"}, **annotations}
        for number, annotations in enumerate(({"annotations": a} for a in (by, marked, skipped)), 1)
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    read = list(premask.read(tmp_path / "tasks.json"))
    assert [[found.label for found in one.annotations] for one in read] == [["dog"], ["cat"]]


def test_labels_of_a_set_that_somebody_changed_stay(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png")
    dataset = premask.read(coco(tmp_path / "c.json", "a.png"), tmp_path / "photos")
    wanted = Conversion(format="yolo", out=tmp_path / "set", copy="copy")
    for _ in range(2):
        convert(dataset, wanted)
    (tmp_path / "set/labels/a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(UnwritableOutput, match=r"a.txt' was changed after premask wrote it"):
        convert(dataset, wanted)
    assert (tmp_path / "set/labels/a.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    assert (tmp_path / "set/images/a.png").is_file()


def test_a_folder_with_one_file_of_labels_is_read(tmp_path: Path) -> None:
    """Roboflow's sets of COCO have it beside the images, and `premask merge` writes one, too."""
    picture(tmp_path / "train/a_jpg.rf.1.jpg")
    coco(tmp_path / "train/_annotations.coco.json", "a_jpg.rf.1.jpg")
    dataset = premask.read(tmp_path / "train")
    assert (dataset.format, len(list(dataset))) == ("coco", 1)
    convert(dataset, Conversion(format="coco", out=tmp_path / "set", copy="copy"))
    assert (tmp_path / "set/images/a_jpg.rf.1.jpg").is_file()
    assert premask.stats(tmp_path / "set").annotations == 1
    assert premask.evaluate(tmp_path / "set", tmp_path / "train").numbers["at one point"]["F1"] == 1
    (tmp_path / "set/more.json").write_text("[]")
    with pytest.raises(InvalidMask, match="in no format that premask knows"):
        premask.read(tmp_path / "set")
