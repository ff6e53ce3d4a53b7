"""Two sets of labels side by side, in Python, in the terminal, and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import premask
from premask import Annotation, compare
from premask.cli import main
from premask.evaluation.comparison import disagreement
from tests.core.coco_sample import unpack
from tests.core.two_sides import FOUND, SIZE, TRUE, photo, square, thing


def test_what_one_has_both_have_and_where_classes_differ() -> None:
    result = compare(FOUND, TRUE)
    assert result.totals == {
        "images": 3,
        "images that differ": 2,
        "both": 2,
        "of another class": 1,
        "only one": 1,
        "only other": 0,
        "mean IoU": pytest.approx((90 / 110 + 1) / 2),
    }
    cat, dog = result.classes
    assert (cat["both"], cat["one says another"], cat["other says another"]) == (2, 1, 0)
    assert (dog["both"], dog["only one"], dog["other says another"]) == (0, 1, 1)
    assert [image.name for image in result.images] == ["a.png", "b.png", "c.png"]


def test_the_other_way_round_it_is_the_same_disagreement() -> None:
    there, back = compare(FOUND, TRUE), compare(TRUE, FOUND)
    assert [i.disagreement for i in there.images] == [i.disagreement for i in back.images]
    assert (back.totals["only one"], back.totals["only other"]) == (0, 1)
    assert np.array_equal(np.transpose(there.confusion)[:2, :2], np.array(back.confusion)[:2, :2])


def test_partners_of_the_same_class_come_before_better_ones_of_another() -> None:
    one = [photo("a.png", thing("cat", square(2, 0)))]
    other = [photo("a.png", thing("dog", square(2, 0)), thing("cat", square(0, 0)))]
    (image,) = compare(one, other).images
    assert [couple.other.label for couple in image.agreed] == ["cat"]
    assert [row.label for row in image.others_alone] == ["dog"]


def test_the_doubt_of_the_review_queue_is_the_worst_objects() -> None:
    one, other = thing("cat", square(0, 0)), thing("cat", square(5, 0))
    third = disagreement([one], [other])
    assert third == pytest.approx(1 - 50 / 150)
    assert disagreement([one, other], [other]) == pytest.approx(third)
    assert disagreement([one], []) == disagreement([], [one]) == 1
    assert disagreement([], []) == 0
    box = Annotation(label="cat", box_xyxy=(0, 0, 10, 10))
    assert disagreement([one], [box]) == 0
    assert disagreement([one, other], [box]) == pytest.approx(third)


def test_labels_are_equal_to_themselves(tmp_path: Path) -> None:
    true, _, _ = unpack(tmp_path)
    totals = compare(true, true).totals
    assert totals["images that differ"] == totals["only one"] == totals["only other"] == 0
    assert totals["mean IoU"] == 1.0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two COCO files, and the photo of one of their three images."""
    premask.write(FOUND, "coco", tmp_path / "found.json")
    premask.write(TRUE, "coco", tmp_path / "true.json")
    (tmp_path / "photos").mkdir()
    pixels = np.full((*SIZE, 3), 90, np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    return tmp_path


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_the_page_shows_the_worst_first(
    command: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [str(files / "found.json"), str(files / "true.json")]
    pictures = ["--images", str(files / "photos"), "--out", str(files / "report")]
    assert main([command, *labels, *pictures]) == 0
    said = capsys.readouterr().out
    (path,) = (files / "report").iterdir()
    assert said.endswith(f"{path}\n")
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["a.png", "b.png"]  # c.png has no difference
    assert page.count("<figure>") == 4
    assert page.count("the image itself was not found") == 1
    assert "1 image without any difference" in page
    # Only what the page brings may run, and nothing is fetched.
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_json_for_programs(command: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(files / "found.json"), str(files / "true.json"), "--json"]) == 0
    said = capsys.readouterr().out
    assert "NaN" not in said
    assert "-1.0" not in said
    data = json.loads(said)
    assert data["labels"] == ["cat", "dog"]
    worst = data["worst" if command == "evaluate" else "images"][0]
    assert worst["image"] == "a.png"
    assert worst["differing"][0]["other"] == "dog"


def test_all_kinds_have_a_page(files: Path) -> None:
    labels = [str(files / "found.json"), str(files / "true.json")]
    for kind in ("panoptic", "semantic", "phrases"):
        out = files / kind
        assert main(["evaluate", *labels, "--as", kind, "--out", str(out)]) == 0
        assert "<h2>Classes</h2>" in (out / "evaluation.html").read_text(encoding="utf-8")


def test_a_name_is_text_and_not_html(files: Path) -> None:
    name = "<script>alert(1)</script>"
    one = [photo("a.png", thing(name, square(0, 0)))]
    premask.write(one, "coco", files / "one.json")
    premask.write([photo("a.png")], "coco", files / "two.json")
    main(["compare", str(files / "one.json"), str(files / "two.json"), "--out", str(files / "x")])
    assert name not in (files / "x" / "comparison.html").read_text(encoding="utf-8")


def test_errors_are_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    premask.write(TRUE[:1], "coco", files / "few.json")
    assert main(["compare", str(files / "few.json"), str(files / "true.json")]) == 2
    assert "--common" in capsys.readouterr().err
    assert main(["compare", str(files / "few.json"), str(files / "true.json"), "--common"]) == 0


def test_masks_are_compared_with_masks_and_boxes_with_what_there_is() -> None:
    mask, beside = thing("cat", square(0, 0)), thing("cat", square(0, 9))
    box = Annotation(label="cat", box_xyxy=(1, 0, 11, 10))
    result = compare([photo("a.png", mask, beside)], [photo("a.png", box)])
    (couple,) = result.images[0].agreed
    assert couple.iou == pytest.approx(90 / 110)
    assert result.totals["only one"] == 1
    assert result.notes == ["1 objects have no mask: of these boxes are compared."]


@pytest.mark.parametrize("form", ["yolo", "label-studio", "png-classes", "coco-polygons"])
def test_any_format_is_compared_with_any_other(form: str, files: Path) -> None:
    """YOLO and PNG need the images; Label Studio does not tell the size of one without regions."""
    photos, labels = files / "photos", files / "labels"
    for name in ("b.png", "c.png"):
        (photos / name).write_bytes((photos / "a.png").read_bytes())
    written = TRUE[:2] if form == "png-classes" else TRUE
    premask.write(
        written, form, labels if form in ("yolo", "png-classes") else labels / "labels.json"
    )
    path = labels if form in ("yolo", "png-classes") else labels / "labels.json"
    totals = compare(path, files / "true.json", photos, common_only=True).totals
    assert totals["both"] == 3
    assert totals["only one"] == totals["only other"] == 0
    assert totals["mean IoU"] > 0.9


def test_where_one_side_has_no_classes_they_play_no_part(files: Path) -> None:
    premask.write(TRUE[:2], "png-masks", files / "masks")
    for name in ("b.png", "c.png"):
        (files / "photos" / name).write_bytes((files / "photos" / "a.png").read_bytes())
    result = compare(files / "masks", files / "true.json", files / "photos", common_only=True)
    assert (result.totals["both"], result.totals["of another class"]) == (3, 0)
    assert [row["class"] for row in result.classes] == ["object"]


def test_a_folder_that_knows_its_images_needs_no_other(files: Path) -> None:
    yolo = files / "yolo"
    premask.write(TRUE, "yolo", yolo)
    (yolo / "images").mkdir(exist_ok=True)
    for name in ("a.png", "b.png", "c.png"):
        (yolo / "images" / name).write_bytes((files / "photos" / "a.png").read_bytes())
    out = files / "report"
    assert main(["compare", str(files / "found.json"), str(yolo), "--out", str(out)]) == 0
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 4
    assert "the image itself was not found" not in page
