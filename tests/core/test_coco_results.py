"""COCO's results: pycocotools evaluates them against a person's own file."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidSetting, ModelFailed
from premask.images import Image
from premask.labels.coco_ids import CocoIds
from premask.labels.coco_results import write_coco_results
from premask.labels.formats import DatasetFormat, formats_of
from premask.masks import Mask

SIZE = (40, 60)


def found(label: str, x: int, score: float | None = 0.9) -> Annotation:
    mask = Mask.from_crop(np.ones((20, 20), np.bool_), (x, 5), SIZE)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask, score=score)


def labeled(name: str, *annotations: Annotation) -> Labeled:
    return Labeled(image=Image(name=name, size_hw=SIZE), annotations=annotations)


IMAGES = [
    labeled("b.jpg", found("dog", 0), found("cat", 30)),
    labeled("deep/a.jpg", found("dog", 10)),
]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A person's file: ids of its own, with gaps, in another order."""
    path = tmp_path / "truth.json"
    numbers = {"cat": 17, "dog": 18}
    images = {"val/a.jpg": 4711, "b.jpg": 42}
    annotations = [
        {
            "id": number,
            "image_id": images[name],
            "category_id": numbers[one.label],
            "bbox": [one.box_xyxy[0], 5, 20, 20],
            "area": 400,
            "iscrowd": 0,
            "segmentation": one.mask.rle,
        }
        for number, (name, one) in enumerate(
            [
                ("val/a.jpg", IMAGES[1].annotations[0]),
                *(("b.jpg", one) for one in IMAGES[0].annotations),
            ],
            start=1,
        )
        if one.mask is not None
    ]
    data = {
        "info": {},
        "images": [
            {"id": number, "file_name": name, "height": 40, "width": 60}
            for name, number in images.items()
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": annotations,
    }
    path.write_text(json.dumps(data))
    return path


def written(path: Path, images: list[Labeled], **options: Any) -> list[dict[str, Any]]:
    write_coco_results(images, path, **options)
    records: list[dict[str, Any]] = json.loads(path.read_text())
    return records


def test_pycocotools_finds_all_of_what_is_right(tmp_path: Path, truth: Path) -> None:
    results = tmp_path / "results.json"
    write_coco_results(IMAGES, results, ids=CocoIds.from_file(truth))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        evaluation = COCOeval(coco, coco.loadRes(str(results)), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_the_area_is_the_masks_where_all_have_one(tmp_path: Path, truth: Path) -> None:
    """Where the first result has a box, pycocotools takes the area of the box."""
    ring = np.ones((20, 20), np.bool_)
    ring[5:15, 5:15] = False
    mask = Mask.from_crop(ring, (0, 5), SIZE)
    hollow = Annotation(label="cat", box_xyxy=mask.box_xyxy, mask=mask, score=0.5)
    box = Annotation(label="cat", box_xyxy=(1, 2, 4, 4), score=0.5)
    ids, path = CocoIds.from_file(truth), tmp_path / "results.json"
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        write_coco_results([labeled("b.jpg", hollow)], path, ids=ids)
        assert coco.loadRes(str(path)).anns[1]["area"] == 300
        write_coco_results([labeled("b.jpg", hollow, box)], path, ids=ids)
        assert coco.loadRes(str(path)).anns[2]["bbox"] == [1, 2, 3, 2]


def test_a_score_is_the_models_or_as_asked_for_or_left_out(tmp_path: Path) -> None:
    images = [labeled("a.jpg", found("cat", 0, 0.25), found("cat", 30, None))]
    records = written(tmp_path / "out.json", images)
    assert [record.get("score") for record in records] == [0.25, None]
    records = written(tmp_path / "out.json", images, score=1.0)
    assert [record["score"] for record in records] == [0.25, 1.0]


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    failed = Labeled(image=Image.unread("x.jpg"), error=ModelFailed("no"))
    assert written(tmp_path / "out.json", [labeled("a.jpg"), failed]) == []


def test_all_of_cocos_formats_take_the_ids_of_a_file(tmp_path: Path, truth: Path) -> None:
    ids = CocoIds.from_file(truth)
    for form in formats_of(["coco", "coco-results"], ids=ids):
        assert isinstance(form, DatasetFormat)
        form.write(IMAGES, tmp_path / form.file_name)
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert coco["categories"] == [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
    assert [image["id"] for image in coco["images"]] == [42, 4711]
    results = json.loads((tmp_path / "coco_results.json").read_text())
    pairs = [(record["image_id"], record["category_id"]) for record in results]
    assert pairs == [(42, 18), (42, 17), (4711, 18)]
    assert pairs == [(one["image_id"], one["category_id"]) for one in coco["annotations"]]


def test_an_image_that_the_file_does_not_name_is_refused_beforehand(truth: Path) -> None:
    (form,) = formats_of(["coco-results"], ids=CocoIds.from_file(truth))
    assert isinstance(form, DatasetFormat)
    assert form.require_names is not None
    form.require_names(["b.jpg", "deep/a.jpg"])
    with pytest.raises(InvalidSetting, match=r"'c.jpg' has no id: .*truth.json has no image"):
        form.require_names(["c.jpg"])


def test_a_file_without_ids_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(InvalidSetting, match="It must be a COCO file"):
        CocoIds.from_file(tmp_path / "no.json")
