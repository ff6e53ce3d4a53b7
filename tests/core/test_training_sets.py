"""Convert, split and merge: what goes where, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Annotation, Image, Labeled, Mask
from premask.cli import main
from premask.datasets.conversion import convert
from premask.datasets.merging import merge
from premask.datasets.selection import Selection, class_map
from premask.datasets.splitting import Split
from premask.datasets.training_set import Conversion
from premask.errors import Cancelled, InvalidSetting, PremaskError, UnwritableOutput
from premask.images import read_image
from tests.golden.dataset import adversarial_images, files_below

SIZE = (20, 30)


def square(label: str, x: int, side: int = 6, *, crowd: bool = False) -> Annotation:
    pixels = np.zeros(SIZE, np.bool_)
    pixels[2 : 2 + side, x : x + side] = True
    mask = Mask.from_array(pixels)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, crowd=crowd)


def photos(folder: Path, names: Iterable[str], *, turned: Iterable[str] = ()) -> Path:
    """Each with its own pixels; those that lie on a side are upright once they are turned."""
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = PIL.Image.new("RGB", (SIZE[1], SIZE[0]), (place * 8, 90, 10))
        exif = PIL.Image.Exif()
        if name in turned:
            picture = picture.transpose(PIL.Image.Transpose.ROTATE_90)
            exif[274] = 6
        picture.save(path, exif=exif, quality=95)
    return folder


def labels(path: Path, names: Iterable[str]) -> Path:
    """Every second image has a car, every third a truck and a crowd; the rest is empty."""
    premask.write(
        [
            Labeled(
                image=Image(name=name, size_hw=SIZE),
                annotations=(*(square("car", 1),) * (not place % 2),)
                + (square("truck", 12), square("car", 20, 3, crowd=True)) * (not place % 3),
            )
            for place, name in enumerate(names)
        ],
        "coco",
        path,
    )
    return path


NAMES = [f"{folder}/{place}.jpg" for folder in "abcde" for place in range(6)]


def part_names(out: Path, part: str, form: str = "json") -> set[str]:
    return {one.image.name for one in premask.read(out / f"{part}.{form}")}


def test_a_command_makes_a_yolo_set_with_its_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco = labels(tmp_path / "coco.json", NAMES)
    images = photos(tmp_path / "photos", NAMES, turned=["a/0.jpg"])
    flags = ["--to", "yolo", "--split", "80,10,10", "--copy", "link", "--map", "car,truck=vehicle"]
    command = ["convert", str(coco), "--images", str(images), "--out", str(tmp_path / "set")]
    assert main([*command, *flags, "--crowds", "drop"]) == 0
    said = capsys.readouterr().out
    for line in ("left out: 10 crowds", "nothing lost", "1 class: vehicle", "1 image"):
        assert line in said
    assert "--copy upright" in said
    assert (tmp_path / "set/data.yaml").read_text().startswith("train: train/images\nval: val/")
    manifest = json.loads((tmp_path / "set/manifest.json").read_text())
    assert [part["images"] for part in manifest["parts"].values()] == [24, 3, 3]
    assert manifest["left out"] == {"crowds": 10}
    assert len(manifest["sha256"]) == 30 + 30 + 4
    back = premask.read(tmp_path / "set")
    assert sum(len(one.annotations) for one in back) == 25
    assert {back.images.require(one.image.name).suffix for one in back} == {".jpg"}


def test_the_same_seed_gives_the_same_bytes_and_another_another_split(tmp_path: Path) -> None:
    dataset = premask.read(labels(tmp_path / "coco.json", NAMES), photos(tmp_path / "p", NAMES))
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        premask.split(dataset, tmp_path / name, seed=seed, copy="copy")
    files = list(files_below(tmp_path / "one"))
    assert len(files) == 3 + 30 + 1
    assert files == list(files_below(tmp_path / "two"))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert part_names(tmp_path / "one", "val") != part_names(tmp_path / "three", "val")


def test_the_split_does_not_depend_on_the_order(tmp_path: Path) -> None:
    split = Split.of("70,30", seed=3)
    forwards = split.assigned({name: {} for name in NAMES})
    assert forwards == split.assigned({name: {} for name in reversed(NAMES)})
    assert sorted(forwards.values()).count("train") == 21


@pytest.mark.parametrize("by", ["folder", r"^(\w)/"])
def test_no_group_is_in_two_parts(by: str) -> None:
    assigned = Split.of("60,20,20", by=by).assigned({name: {"car": 1} for name in NAMES})
    by_folder = {name.split("/")[0]: set[str]() for name in NAMES}
    for name, part in assigned.items():
        by_folder[name.split("/")[0]].add(part)
    assert all(len(parts) == 1 for parts in by_folder.values())
    assert sorted(assigned.values()).count("train") == 18


def test_classes_are_spread_by_their_shares() -> None:
    """Ten rare ones among a thousand: by chance alone a part would often have none of them."""
    found = {f"{place}.jpg": {"rare" if place < 10 else "common": 1} for place in range(1000)}
    for seed in range(5):
        assigned = Split.of("80,20", stratified=True, seed=seed).assigned(found)
        rare = [assigned[f"{place}.jpg"] for place in range(10)]
        assert rare.count("val") == 2
        assert list(assigned.values()).count("val") == 200


def test_files_of_names_say_what_goes_where(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a/0.jpg\na/1\n")
    (tmp_path / "val.txt").write_text("b/0.jpg\n")
    dataset = premask.read(labels(tmp_path / "coco.json", NAMES))
    lists = f"{tmp_path / 'train.txt'},{tmp_path / 'val.txt'}"
    done = premask.split(dataset, tmp_path / "set", lists)
    assert part_names(tmp_path / "set", "train") == {"a/0.jpg", "a/1.jpg"}
    assert part_names(tmp_path / "set", "val") == {"b/0.jpg"}
    assert done.left_out["images that no list names"] == 27
    (tmp_path / "val.txt").write_text("a/0.jpg\n")
    with pytest.raises(InvalidSetting, match=r"'a/0.jpg' is in the lists of train and of val"):
        premask.split(dataset, tmp_path / "set", lists)


@pytest.mark.parametrize("text", ["100", "a,b", "1,2,3,4", "-1,2", "0,0", "gone.txt"])
def test_a_split_that_means_nothing_says_what_to_write(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"Write the shares|can't be read from"):
        Split.of(text)
    with pytest.raises(InvalidSetting, match="no regular expression"):
        Split.of("1,1", by="(")


def test_upright_images_are_upright_for_whoever_ignores_exif(tmp_path: Path) -> None:
    names = ["turned.jpg", "plain.jpg", "turned.png"]
    images = photos(tmp_path / "photos", names, turned=["turned.jpg", "turned.png"])
    dataset = premask.read(labels(tmp_path / "coco.json", names), images)
    wanted = Conversion(format="coco", out=tmp_path / "set/coco.json", copy="upright")
    done = convert(dataset, wanted)
    assert done.turned == 0
    for name in names:
        with PIL.Image.open(tmp_path / "set/images" / name) as picture:
            assert picture.size == (SIZE[1], SIZE[0])
            assert picture.getexif().get(274, 1) == 1
            difference = np.asarray(picture).astype(int) - read_image(images / name).rgb
        assert np.abs(difference).max() <= 3
    assert (tmp_path / "set/images/plain.jpg").read_bytes() == (images / "plain.jpg").read_bytes()


def test_an_image_that_is_not_there_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    images = photos(tmp_path / "photos", NAMES[:-1])
    dataset = premask.read(labels(tmp_path / "coco.json", NAMES), images)
    with pytest.raises(PremaskError, match=r"'e/5.jpg' can't be read: 4 files have that name"):
        premask.split(dataset, tmp_path / "set", copy="link")
    assert not (tmp_path / "set").exists()


def test_names_that_lead_elsewhere_stay_inside(tmp_path: Path) -> None:
    names = ["../../up.jpg", "/tmp/abs.jpg", "up.jpg", "UP.jpg", "https://example.com/a?b.jpg"]
    dataset = premask.read(labels(tmp_path / "coco.json", names))
    premask.split(dataset, tmp_path / "set", "50,50")
    written = part_names(tmp_path / "set", "train") | part_names(tmp_path / "set", "val")
    assert written == {"up.jpg", "tmp/abs.jpg", "up-2.jpg", "UP-3.jpg", "example.com/a_b.jpg"}


def test_what_is_kept(tmp_path: Path) -> None:
    found = (square("a", 1, 2), square("b", 5), square("c", 12), square("x", 20, crowd=True))
    images = [Labeled(image=Image(name="i", size_hw=SIZE), annotations=found)]
    images.append(Labeled(image=Image(name="j", size_hw=SIZE)))
    images.append(Labeled(image=Image.unread("k"), error=PremaskError("broken")))
    (first,) = Selection(renamed=class_map(["b,c=bc", "x="]), min_area=5, empty=False).applied(
        images
    )
    assert [one.label for one in first.annotations] == ["bc", "bc"]
    first, second = Selection(classes=("c", "x"), crowds=False).applied(images)
    assert [one.label for one in first.annotations] == ["c"]
    assert second.annotations == ()
    for broken in ("car", "=x"):
        with pytest.raises(InvalidSetting, match="maps no class"):
            class_map([broken])
    with pytest.raises(InvalidSetting, match="'a' is mapped twice"):
        class_map(["a=b", "a=c"])


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("coco-mattes", "nothing lost"),
        ("coco", "mattes lost"),
        ("label-studio-boxes", "masks lost"),
        ("yolo", "objects lost"),
    ],
)
def test_what_a_format_loses_is_measured(tmp_path: Path, form: str, told: str) -> None:
    premask.write(adversarial_images()[:2], "coco-mattes", tmp_path / "coco.json")
    done = convert(
        premask.read(tmp_path / "coco.json"), Conversion(format=form, out=tmp_path / "out")
    )
    assert told in str(done.loss)
    assert done.loss is not None
    assert done.loss.images == 2
    assert ("mean IoU 1.000" in str(done.loss)) == (form == "coco")


def test_lost_holes_are_counted(tmp_path: Path) -> None:
    from premask.datasets.losses import Loss

    ring, full = (np.zeros(SIZE, np.bool_) for _ in range(2))
    ring[2:9, 2:9] = full[2:9, 2:9] = True
    ring[4:7, 4:7] = False
    shapes = [Mask.from_array(pixels) for pixels in (ring, full)]
    one, two = (
        Labeled(
            image=Image(name="a", size_hw=SIZE),
            annotations=(Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask),),
        )
        for mask in shapes
    )
    assert str(Loss().compare([one], [two])) == "mean IoU 0.816, 1 hole lost"


def test_merged_datasets_have_each_image_once_and_the_ids_of_the_first(tmp_path: Path) -> None:
    one = labels(tmp_path / "one.json", NAMES[:3])
    images = photos(tmp_path / "photos", NAMES[:4])
    other = photos(tmp_path / "other", [*NAMES[:4], "new.jpg"])
    (other / "same.jpg").write_bytes((images / "a/0.jpg").read_bytes())
    found = (square("car", 1), square("new", 3))
    theirs = [
        Labeled(image=Image(name="same.jpg", size_hw=SIZE), annotations=found),
        Labeled(image=Image(name="new.jpg", size_hw=SIZE)),
    ]
    premask.write(theirs, "coco", tmp_path / "two.json")
    merged = merge([premask.read(one, images), premask.read(tmp_path / "two.json", other)])
    names = [image.image.name for image in merged.dataset]
    assert names == [*NAMES[:3], "new.jpg"]
    assert (merged.shared_images, merged.duplicates, merged.overlaps) == (1, 1, {})
    first = next(iter(merged.dataset))
    assert [found.label for found in first.annotations] == ["car", "truck", "car", "new"]
    premask.write(merged.dataset, "coco", tmp_path / "all.json")
    before, after = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "all"))
    assert after["categories"][:2] == before["categories"]
    assert after["images"][:3] == before["images"]
    ids = [record["id"] for record in after["annotations"]]
    assert len(ids) == len(set(ids)) == len(before["annotations"]) + 1


def test_another_image_of_the_same_name_is_kept_under_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    premask.write([Labeled(image=Image(name="a.jpg", size_hw=SIZE))], "coco", tmp_path / "one.json")
    wide = Image(name="a.jpg", size_hw=(5, 9))
    premask.write([Labeled(image=wide)], "coco", tmp_path / "two.json")
    paths = [str(tmp_path / name) for name in ("one.json", "two.json")]
    assert main(["merge", *paths, "--out", str(tmp_path / "all.json")]) == 0
    assert "1 other image of the same name, such as a.jpg of" in capsys.readouterr().out
    assert part_names(tmp_path, "all") == {"a.jpg", "two/a.jpg"}


def test_what_overlaps_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("one", 20), ("two", 19)):
        pixels = np.zeros(SIZE, np.bool_)
        pixels[:side, :20] = True
        mask = Mask.from_array(pixels)
        found = Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask)
        image = Labeled(image=Image(name="a.jpg", size_hw=SIZE), annotations=(found,))
        premask.write([image], "coco", tmp_path / f"{name}.json")
    paths = [str(tmp_path / name) for name in ("one.json", "two.json")]
    assert main(["merge", *paths, "--out", str(tmp_path / "all.json")]) == 0
    assert "1 object nearly the same (IoU 0.9 or more, one class)" in capsys.readouterr().out


def test_a_conversion_can_be_stopped(tmp_path: Path) -> None:
    import threading

    cancel = threading.Event()
    cancel.set()
    dataset = premask.read(labels(tmp_path / "coco.json", NAMES))
    with pytest.raises(Cancelled):
        convert(dataset, Conversion(format="coco", out=tmp_path / "x.json"), cancel=cancel)


def test_the_split_command_keeps_the_format(tmp_path: Path) -> None:
    coco = labels(tmp_path / "coco.json", NAMES)
    assert main(["split", str(coco), "--out", str(tmp_path / "set"), "--by", "folder"]) == 0
    parts = [part_names(tmp_path / "set", part) for part in ("train", "val", "test")]
    assert set().union(*parts) == set(NAMES)
    assert [len(part) for part in parts] == [24, 0, 6] or [len(part) for part in parts] == [
        24,
        6,
        0,
    ]


def test_mapped_classes_leave_no_trace_of_the_old_ones(tmp_path: Path) -> None:
    coco = labels(tmp_path / "coco.json", NAMES)
    flags = ["--map", "car,truck=vehicle", "--out", str(tmp_path / "v.json")]
    assert main(["convert", str(coco), "--to", "coco", *flags]) == 0
    data = json.loads((tmp_path / "v.json").read_text())
    assert data["categories"] == [{"id": 1, "name": "vehicle"}]
    assert {record["category_id"] for record in data["annotations"]} == {1}


def test_labels_of_any_format_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco = labels(tmp_path / "coco.json", NAMES[:3])
    images = photos(tmp_path / "photos", NAMES[:2])
    assert main(["convert", str(coco), "--to", "cvat", "--out", str(tmp_path / "a.xml")]) == 0
    assert main(["preview", str(tmp_path / "a.xml"), "--images", str(images)]) == 1
    assert "1 image could not be read, such as a/2.jpg" in capsys.readouterr().err
    page = (tmp_path / "a-preview/report.html").read_text()
    assert "a/0.jpg" in page
    assert "truck" in page
    with PIL.Image.open(tmp_path / "a-preview/contact-sheet.png") as sheet:
        assert sheet.width > SIZE[1]


def test_nothing_stale_stays_in_a_set_and_nothing_of_others_is_taken(tmp_path: Path) -> None:
    dataset = premask.read(labels(tmp_path / "coco.json", NAMES), photos(tmp_path / "p", NAMES))
    for seed in (1, 2):
        premask.split(dataset, tmp_path / "set", format="yolo", seed=seed, copy="link")
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 30
    assert len(list((tmp_path / "set").rglob("labels/*/*.txt"))) == 30
    assert (tmp_path / "p/a/0.jpg").is_file()
    with pytest.raises(InvalidSetting, match="is in the folder of the set"):
        premask.split(premask.read(tmp_path / "set"), tmp_path / "set", seed=3, copy="link")
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 30
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    with pytest.raises(UnwritableOutput, match="is not empty, and has no manifest"):
        premask.split(dataset, tmp_path / "mine")
    (tmp_path / "mine/manifest.json").write_text('{"sha256": {"../coco.json": "", "/etc/x": ""}}')
    premask.split(dataset, tmp_path / "mine")
    assert (tmp_path / "coco.json").is_file()


def test_pictures_are_made_of_the_images(tmp_path: Path) -> None:
    coco = labels(tmp_path / "coco.json", NAMES[:1])
    images = photos(tmp_path / "p", NAMES[:1])
    command = ["convert", str(coco), "--to", "cutout", "--out", str(tmp_path / "cut")]
    assert main(command) == 2
    assert main([*command, "--images", str(images)]) == 0
    assert len(list((tmp_path / "cut").rglob("*.png"))) == 3
