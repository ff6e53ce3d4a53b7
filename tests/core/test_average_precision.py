"""AP and AR are those of pycocotools, to the last digit: on COCO's own labels, and on made ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from premask import evaluate
from premask.datasets.image_pairs import pair_images, tables_of
from premask.datasets.label_set import read_label_set
from premask.evaluation.average_precision import AveragePrecision, average_precision
from premask.evaluation.overlaps import BOX, MASK, overlaps
from premask.masks import Mask
from tests.core.coco_sample import evaluated_by_pycocotools, unpack


def measured(found: Path, true: Path, by: str) -> AveragePrecision:
    truth = read_label_set(true)
    classes = {label: place for place, label in enumerate(truth.classes)}
    pairs = pair_images(read_label_set(found, truth=truth), truth)
    ours, theirs = tables_of(pairs, classes)
    return average_precision(ours, theirs, overlaps(ours, theirs, by=by), len(classes))


def assert_equal(found: Path, true: Path, by: str) -> None:
    ours = measured(found, true, by)
    theirs = evaluated_by_pycocotools(true, found, "segm" if by == MASK else "bbox")
    assert list(ours.summary().values()) == theirs.stats.tolist()
    precision = theirs.eval["precision"][..., -1].transpose(3, 0, 1, 2)
    assert np.array_equal(ours.precision, precision)
    assert np.array_equal(ours.recall, theirs.eval["recall"][..., -1].transpose(2, 0, 1))


@pytest.mark.parametrize("by", [BOX, MASK])
def test_on_coco_itself_all_curves_are_equal(by: str, tmp_path: Path) -> None:
    """Polygons and crowds, with areas and boxes that are not quite those of the pixels."""
    true, masks, boxes = unpack(tmp_path)
    assert_equal(masks, true, by)
    if by == BOX:
        assert_equal(boxes, true, by)


def labels(seed: int, crowded: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Rectangles that overlap, with ties of scores and IoUs, of all sizes; found ones are moved."""
    random = np.random.default_rng(seed)
    side = 128
    images = [{"id": n, "file_name": f"{n}.png", "width": side, "height": side} for n in (7, 3, 5)]
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in images:
        for _ in range(random.integers(0, 7)):
            x, y, w, h = (*random.integers(0, 60, 2), *random.integers(4, 66, 2))
            category = int(random.integers(1, 4))
            pixels = np.zeros((side, side), np.bool_)
            pixels[y : y + h, x : x + w] = True
            mask = Mask.from_array(pixels)
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": [int(x), int(y), int(w), int(h)],
                    "area": mask.area,
                    "segmentation": mask.rle,
                    "iscrowd": int(crowded and random.random() < 0.2),
                }
            )
            for _ in range(random.integers(0, 4)):
                moved = np.roll(pixels, random.integers(0, 4, 2).tolist(), (0, 1))
                results.append(
                    {
                        "image_id": image["id"],
                        "category_id": category if random.random() < 0.8 else 2,
                        "segmentation": Mask.from_array(moved).rle,
                        "score": float(random.integers(1, 5) / 5),
                    }
                )
    categories = [{"id": number, "name": f"class {number}"} for number in (1, 2, 3)]
    return {"images": images, "annotations": truth, "categories": categories}, results


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), crowded=st.booleans())
def test_on_labels_that_were_made_all_curves_are_equal(
    seed: int, crowded: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    truth, results = labels(seed, crowded)
    if not truth["annotations"] or not results:
        return
    folder = tmp_path_factory.mktemp("labels")
    (folder / "true.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(results))
    for by in (MASK, BOX):
        assert_equal(folder / "found.json", folder / "true.json", by)


def test_more_than_a_hundred_of_a_class_in_an_image_do_not_count(tmp_path: Path) -> None:
    truth, _ = labels(4, crowded=False)
    one = truth["annotations"][0]
    results = [
        {**{key: one[key] for key in ("image_id", "category_id", "segmentation")}, "score": score}
        for score in np.linspace(0.1, 0.9, 130).tolist()
    ]
    (tmp_path / "true.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(results))
    assert_equal(tmp_path / "found.json", tmp_path / "true.json", MASK)


def test_boundary_ap_is_that_of_the_papers_own_code(tmp_path: Path) -> None:
    """The numbers are those of boundary-iou-api (Cheng et al., 2021) for the same two files."""
    true, masks, _ = unpack(tmp_path)
    numbers = evaluate(masks, true, boundaries=True).numbers["boundaries"]
    assert [numbers[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")] == [
        0.3056257578428991,
        0.4263981829209196,
        0.32951559602730013,
        0.4557376784650033,
        0.3557513929801348,
        0.09804023259468801,
    ]
