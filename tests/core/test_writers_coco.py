"""COCO files: pycocotools and premask itself read the same masks from them."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, ModelFailed, PremaskError
from premask.images import Image
from premask.labels.annotation_json import annotation_from_json, annotation_to_json
from premask.labels.coco import (
    annotation_from_coco,
    annotation_to_coco,
    labeled_from_coco,
    read_coco,
    write_coco,
)
from premask.labels.coco_results import write_coco_results
from premask.masks import Mask, Matte
from tests.golden.dataset import adversarial_images, adversarial_masks

SIZE = (13, 17)


def labeled(*annotations: Annotation, name: str = "a.jpg") -> Labeled:
    return Labeled(image=Image(name=name, size_hw=SIZE), annotations=annotations)


def shape(name: str, **fields: Any) -> Annotation:
    mask = Mask.from_array(adversarial_masks(*SIZE)[name])
    return Annotation(label=name, box_xyxy=mask.box_xyxy, mask=mask, **fields)


def soft_annotation() -> Annotation:
    alpha = np.arange(13 * 17).reshape(SIZE).astype(np.uint8)
    matte = Matte.from_array(alpha)
    return Annotation(label="soft", box_xyxy=(0, 0, 17, 13), mask=matte.mask(), matte=matte)


def written(tmp_path: Path, *images: Labeled, **options: Any) -> dict[str, Any]:
    write_coco(images, tmp_path / "coco.json", **options)
    data: dict[str, Any] = json.loads((tmp_path / "coco.json").read_text())
    return data


def loaded_by_pycocotools(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


@pytest.mark.parametrize("polygons", [False, True])
def test_pycocotools_sees_the_same_pixels(tmp_path: Path, *, polygons: bool) -> None:
    arrays = {name: array for name, array in adversarial_masks(*SIZE).items() if array.any()}
    annotations = [shape(name) for name in arrays]
    write_coco([labeled(*annotations)], tmp_path / "coco.json", polygons=polygons)
    coco = loaded_by_pycocotools(tmp_path / "coco.json")
    assert len(coco.anns) == len(arrays)
    for record, array in zip(coco.anns.values(), arrays.values(), strict=True):
        np.testing.assert_array_equal(coco.annToMask(record), array)
        assert isinstance(record["segmentation"], list) == polygons


def test_pycocotools_sees_that_an_empty_mask_is_empty(tmp_path: Path) -> None:
    write_coco([labeled(shape("empty"))], tmp_path / "coco.json")
    coco = loaded_by_pycocotools(tmp_path / "coco.json")
    assert coco.annToMask(coco.anns[1]).sum() == 0
    assert (coco.anns[1]["area"], coco.anns[1]["bbox"]) == (0, [0, 0, 0, 0])


def test_box_and_area_are_the_masks(tmp_path: Path) -> None:
    ring = replace(shape("ring"), box_xyxy=(0.4, 0.4, 16.9, 12.9))
    record = written(tmp_path, labeled(ring))["annotations"][0]
    rows, columns = np.nonzero(adversarial_masks(*SIZE)["ring"])
    x0, y0 = columns.min(), rows.min()
    assert record["bbox"] == [x0, y0, columns.max() + 1 - x0, rows.max() + 1 - y0]
    assert record["area"] == len(rows)
    assert all(isinstance(side, int) for side in [*record["bbox"], record["area"]])


def test_a_bare_box_has_its_own_area_and_no_pixels(tmp_path: Path) -> None:
    record = written(tmp_path, labeled(Annotation(label="a", box_xyxy=(1, 2, 4.5, 4))))
    assert record["annotations"][0] == {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [1.0, 2.0, 3.5, 2.0],
        "area": 7.0,
        "iscrowd": 0,
    }


@pytest.mark.parametrize("polygons", [False, True])
def test_pycocotools_evaluates_a_file_with_bare_boxes(tmp_path: Path, *, polygons: bool) -> None:
    """An empty `segmentation` made it raise as soon as it looked at the file."""
    box = Annotation(label="full", box_xyxy=(1, 2, 4.5, 4), score=0.5)
    shapes = [replace(shape(name), score=0.5) for name in ("full", "empty")]
    write_coco([labeled(box, *shapes)], tmp_path / "truth.json", polygons=polygons)
    write_coco_results([labeled(box, *shapes)], tmp_path / "results.json")
    truth = loaded_by_pycocotools(tmp_path / "truth.json")
    assert not any(record.get("segmentation") == [] for record in truth.anns.values())
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "bbox")
        evaluation.evaluate()


def test_mattes_are_written_on_request(tmp_path: Path) -> None:
    soft = labeled(soft_annotation())
    assert "alpha_planes" not in written(tmp_path, soft)["annotations"][0]
    assert len(written(tmp_path, soft, mattes=True)["annotations"][0]["alpha_planes"]) == 8


def test_categories_keep_the_order_given_and_new_ones_come_behind(tmp_path: Path) -> None:
    images = [labeled(shape("ring"), shape("full"))]
    data = written(tmp_path, *images, categories=["full", "parts"])
    names = {category["id"]: category["name"] for category in data["categories"]}
    assert names == {1: "full", 2: "parts", 3: "ring"}
    assert [record["category_id"] for record in data["annotations"]] == [3, 1]


def test_looked_at_is_not_the_same_as_failed(tmp_path: Path) -> None:
    failed = Labeled(image=Image.unread("broken.jpg"), error=ModelFailed("no"))
    data = written(tmp_path, failed, labeled(name="nothing.jpg"), labeled(shape("full")))
    assert [record["file_name"] for record in data["images"]] == ["nothing.jpg", "a.jpg"]
    assert [record["image_id"] for record in data["annotations"]] == [2]


def test_everything_but_the_loose_box_comes_back(tmp_path: Path) -> None:
    images = [labeled for labeled in adversarial_images() if labeled.error is None]
    write_coco(images, tmp_path / "coco.json", mattes=True)
    read = read_coco(tmp_path / "coco.json")
    assert [labeled.image.name for labeled in read] == [labeled.image.name for labeled in images]
    assert [labeled.image.size_hw for labeled in read] == [
        labeled.image.size_hw for labeled in images
    ]
    assert [labeled.annotations for labeled in read] == [labeled.annotations for labeled in images]


def test_eight_lines_read_the_matte_with_pycocotools_alone() -> None:
    soft = soft_annotation()
    record = annotation_to_coco(soft, image_id=1, annotation_id=1, category_id=1, mattes=True)
    alpha = sum(
        coco_mask.decode(plane).astype(int) << bit
        for bit, plane in enumerate(record["alpha_planes"])
    )
    assert soft.matte is not None
    np.testing.assert_array_equal(alpha, soft.matte.to_array())


def coco_record(**fields: Any) -> dict[str, Any]:
    return {"id": 42, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]} | fields


def test_the_box_is_read_from_the_mask_and_never_from_the_file() -> None:
    mask = Mask.from_array(adversarial_masks(*SIZE)["ring"])
    record = coco_record(segmentation=mask.rle, bbox=[-5.4, 0.6, 900.2, 1.5])
    assert annotation_from_coco(record, "a", SIZE).box_xyxy == mask.box_xyxy


def test_a_crowd_of_uncompressed_run_lengths_is_read() -> None:
    mask = Mask.from_array(adversarial_masks(*SIZE)["noise"])
    rle = {"size": list(SIZE), "counts": mask.run_lengths.tolist()}
    record = coco_record(segmentation=rle, iscrowd=1)
    assert annotation_from_coco(record, "a", SIZE).mask == mask


def test_polygons_are_read_as_pycocotools_draws_them() -> None:
    triangle = [[2.0, 1.0, 9.0, 1.0, 2.0, 8.0]]
    read = annotation_from_coco(coco_record(segmentation=triangle), "a", SIZE)
    drawn = coco_mask.decode(coco_mask.frPyObjects(triangle, *SIZE))[..., 0]
    assert read.mask == Mask.from_array(drawn)


@pytest.mark.parametrize(
    "broken",
    [
        {"segmentation": {"size": [3, 3], "counts": [9]}},
        {"segmentation": {"size": [13, 17], "counts": [9]}},
        {"segmentation": [[1, 2, 3]]},
        {"segmentation": [], "bbox": [1, 1, -2, 2]},
        {"segmentation": [], "bbox": [1, 1]},
        {"segmentation": [], "bbox": None},
        {"segmentation": [], "alpha_planes": [Mask.empty((3, 3)).rle] * 8},
        {"image_id": 7},
        {"category_id": 7},
    ],
)
def test_a_broken_annotation_is_named(broken: dict[str, Any]) -> None:
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 13, "width": 17}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [coco_record(**broken)],
    }
    with pytest.raises(InvalidMask, match="Annotation 42 can't be read"):
        list(labeled_from_coco(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": 3}', "\x00"])
def test_a_file_that_is_no_coco_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(PremaskError, match=r"a\.json' can't be read as COCO"):
        read_coco(tmp_path / "a.json")


@pytest.mark.parametrize(
    "annotation",
    [
        Annotation(label="box", box_xyxy=(0.1 + 0.2, 1 / 3, 2e-9, 7.1)),
        Annotation(label="", box_xyxy=(0, 0, 1, 1), score=0.1 + 0.2, track=0, source=("a", "b")),
        Annotation(label="a", box_xyxy=(0, 0, 1, 1), score=float(np.float32(0.1))),
        replace(shape("noise"), box_xyxy=(0.5, 0.5, 16.5, 12.5), score=0.0),
        shape("empty"),
        soft_annotation(),
    ],
)
def test_the_journals_record_loses_nothing(annotation: Annotation) -> None:
    text = json.dumps(annotation_to_json(annotation))
    assert annotation_from_json(json.loads(text), SIZE) == annotation


def test_numbers_of_numpy_are_written_as_numbers(tmp_path: Path) -> None:
    box = np.array([0, 1, 2, 3], np.float32)
    found = Annotation(label="a", box_xyxy=tuple(box), score=np.float32(0.5), track=np.int64(2))  # type: ignore[arg-type]
    record = written(tmp_path, labeled(found))["annotations"][0]
    assert (record["bbox"], record["score"], record["track_id"]) == ([0, 1, 2, 2], 0.5, 2)
    assert json.loads(json.dumps(annotation_to_json(found)))["score"] == 0.5


def test_a_record_of_another_images_mask_is_refused() -> None:
    with pytest.raises(InvalidMask):
        annotation_from_json(annotation_to_json(shape("ring")), (17, 13))
    with pytest.raises(InvalidMask):
        annotation_from_json(annotation_to_json(soft_annotation()) | {"mask": None}, (17, 13))


def test_memory_stays_flat(tmp_path: Path) -> None:
    ring = shape("ring")

    def many() -> Iterator[Labeled]:
        for index in range(500):
            yield labeled(*[ring] * 10, name=f"{index}.jpg")

    tracemalloc.start()
    write_coco(many(), tmp_path / "coco.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "coco.json").stat().st_size > 800_000
    assert peak < 250_000
