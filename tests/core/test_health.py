"""What is wrong with labels is found, named and mended; what is right is left as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask
from premask import PremaskError
from premask.cli import main
from premask.datasets.health import check
from tests.core.coco_sample import unpack
from tests.core.two_sides import TRUE, square

Json = dict[str, Any]


def coco(*annotations: Json, **lists: Any) -> Json:
    images = [{"id": 1, "file_name": "a.png", "height": 40, "width": 60}]
    categories = [{"id": 1, "name": "cat"}]
    return {"images": images, "annotations": list(annotations), "categories": categories} | lists


def box(number: int = 1, **keys: Any) -> Json:
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]} | keys


def masked(number: int = 1, x: int = 5, **keys: Any) -> Json:
    mask = square(x, 5)
    own = {"bbox": [x, 5, 10, 10], "area": 100, "segmentation": mask.rle}
    return box(number, **own) | keys


BROKEN: dict[str, list[Any]] = {
    "id": [box(), box(bbox=[9, 9, 5, 5])],
    "unknown image": [box(image_id=7)],
    "unknown category": [box(category_id=[1])],
    "broken mask": [masked(segmentation={"size": [40, 60], "counts": "05"})],
    "box": [masked(bbox=[0, 0, 10, 10])],
    "area": [masked(area=5)],
    "outside": [box(bbox=[50, 30, 40, 5])],
    "empty": [box(bbox=[70, 1, 5, 5])],
    "no shape": [{"id": 1, "image_id": 1, "category_id": 1}],
    "twice": [masked(1), masked(2)],
    "score": [masked(score=7)],
    "crowd": [masked(iscrowd="no")],
    "no record": [None],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_each_problem_is_found_and_mended_once(kind: str, tmp_path: Path) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    path.write_text(json.dumps(coco(*BROKEN[kind])))
    before = path.read_bytes()
    health = check(path, out=out)
    assert health.counts() == {kind: 1}
    assert path.read_bytes() == before
    left = check(out).counts()
    assert left == ({kind: 1} if kind in ("score", "crowd") else {})
    premask.read(out)


def test_two_of_a_class_on_one_another_are_told_and_both_kept(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    pixels = np.zeros((40, 60), np.bool_)
    pixels[5:35, 5:35] = True
    mask, other = premask.Mask.from_array(pixels), premask.Mask.from_array(np.roll(pixels, 1))
    records = [
        masked(n, segmentation=m.rle, bbox=[*m.box_xyxy[:2], 30, 30], area=900)
        for n, m in enumerate((mask, other), start=1)
    ]
    path.write_text(json.dumps(coco(*records)))
    (problem,) = check(path, out=out).problems
    assert problem.kind == "overlap"
    assert problem.where == "annotations 1 and 2 of a.png"
    assert len(json.loads(out.read_bytes())["annotations"]) == 2


def test_polygons_keep_what_of_them_is_good(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    good, reaching = [5, 5, 15, 5, 15, 15, 5, 15], [40, 5, 80, 5, 80, 15, 40, 15]
    records = [
        box(1, segmentation=[good, [1, 2]], bbox=[5, 5, 10, 10]),
        box(2, segmentation=[reaching], bbox=[40, 5, 20, 10]),
    ]
    path.write_text(json.dumps(coco(*records)))
    assert check(path, out=out).counts() == {"broken mask": 1, "outside": 1}
    first, second = json.loads(out.read_bytes())["annotations"]
    assert first["segmentation"] == [good]
    assert premask.Mask.from_rle(second["segmentation"]).box_xyxy == (40, 5, 60, 15)


def test_images_and_categories_that_are_there_twice(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    image = coco()["images"][0]
    images = [image, image | {"file_name": "b.png"}, image | {"id": 2}, {"file_name": "c.png"}]
    images.append({"id": 3, "file_name": "d.png", "height": "40"})
    categories = [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    path.write_text(json.dumps(coco(box(), images=images, categories=categories)))
    health = check(path, out=out)
    assert health.counts() == {"id": 2, "name": 2, "no record": 1, "size": 1}
    assert [one["id"] for one in json.loads(out.read_bytes())["images"]] == [1, 2, 3]


def test_what_it_does_not_know_stays(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    data = {"info": {"year": 2026}} | coco(masked(color="red", area=5)) | {"more": [1, {"a": None}]}
    path.write_text(json.dumps(data))
    check(path, out=out)
    mended = json.loads(out.read_bytes())
    assert list(mended) == list(data)
    assert mended["info"] == data["info"]
    assert mended["more"] == data["more"]
    assert mended["annotations"] == [masked(color="red")]


def test_with_the_images_files_are_looked_at(tmp_path: Path) -> None:
    """One is missing, one lies on a side, and one has another size."""
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ("a.png", "b.png", "gone.png")
    for name, size_wh in zip(names, ((40, 60), (30, 30)), strict=False):
        PIL.Image.new("RGB", size_wh).save(photos / name)
    images = [
        {"id": n, "file_name": name, "height": 40, "width": 60} for n, name in enumerate(names)
    ]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(coco(images=images)))
    health = check(path, photos)
    assert health.counts() == {"size": 2, "file": 1}
    assert "EXIF" in health.problems[0].what
    assert health.problems[2].where == "image gone.png"
    assert not check(path).problems


@pytest.mark.parametrize("text", ["", "[", '{"images": [', '{"images": [], "annotations": 3}'])
def test_a_file_that_is_cut_off(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    (problem,) = check(path).problems
    assert str(path) in str(problem)


def test_cocos_own_labels_are_nearly_all_right(tmp_path: Path) -> None:
    """What there is: the areas of crowds are not those of their pixels."""
    true, _, _ = unpack(tmp_path)
    assert set(check(true).counts()) <= {"area"}
    assert check(true).annotations == 278


def test_other_formats_are_checked_by_their_readers(tmp_path: Path) -> None:
    premask.write(TRUE, "label-studio", tmp_path / "tasks.json")
    health = check(tmp_path / "tasks.json")
    assert (health.images, health.annotations, health.problems) == (3, 3, [])
    with pytest.raises(PremaskError, match="premask convert"):
        check(tmp_path / "tasks.json", out=tmp_path / "mended.json")


def test_the_command_says_all_and_fails_if_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "labels.json", tmp_path / "mended.json"
    path.write_text(json.dumps(coco(masked(area=5), box(2, image_id=7))))
    assert main(["check", str(path), "--fix", str(out)]) == 1
    said = capsys.readouterr().out
    assert "annotation 1 of a.png: its area 5 is not its mask's (area 100)" in said
    assert "its image_id 7 is no image's (left out)" in said
    assert main(["check", str(out)]) == 0
    assert "nothing wrong" in capsys.readouterr().out
    assert main(["check", str(path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 2
    assert main(["check", str(path), "--fix", str(path)]) == 2
