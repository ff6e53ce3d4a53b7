"""Evaluations are FiftyOne's own where it has one, and the core's metrics beside."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask import evaluate
from premask.annotations import Annotation
from premask.errors import InvalidSetting
from premask.evaluation.metrics import boundary_iou, mse, sad
from premask.labels.fiftyone import heatmap_from_annotations
from premask.masks import Mask, Matte
from tests.operators.mask_samples import annotation_of, detections, saved_image, soft_annotation

SIZE = (40, 60)

# sklearn, which FiftyOne calls, warns of classes that were never predicted.
pytestmark = pytest.mark.filterwarnings("ignore:.*is ill-defined:UserWarning")


def disc(x: float, label: str = "cat", **fields: Any) -> Annotation:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return annotation_of(np.hypot(rows - 20, columns - x) < 12, label, **fields)


@pytest.fixture
def evaluation(fo: Any) -> Any:
    return importlib.import_module("operators.work.evaluation")


@pytest.fixture
def dataset(fo: Any, tmp_path: Path) -> Iterator[Any]:
    """Three images, without labels."""
    dataset = fo.Dataset()
    paths = [saved_image(tmp_path, name, SIZE) for name in ("a.png", "b.png", "c.png")]
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


def put(fo: Any, dataset: Any, field: str, *images: list[Annotation] | None) -> None:
    labels = [None if image is None else detections(fo, image, SIZE) for image in images]
    dataset.set_values(field, labels)


def put_objects(fo: Any, dataset: Any) -> None:
    """A close pair, a dog that was missed and a cat that is not there; other images unlabeled."""
    put(fo, dataset, "truth", [disc(20), disc(45, "dog")], [], [disc(20)])
    put(fo, dataset, "found", [disc(22, score=0.5)], [disc(30, score=0.25)], None)


def test_pairs_are_fiftyones_and_edges_are_exact(fo: Any, evaluation: Any, dataset: Any) -> None:
    put_objects(fo, dataset)
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    cat, dog = evaluated.rows
    shifted, true = disc(22).mask, disc(20).mask
    assert shifted is not None
    assert true is not None
    assert (cat["class"], cat["objects"], cat["matched"]) == ("cat", 1, 1)
    assert (cat["precision"], cat["recall"]) == (0.5, 1)
    assert cat["mask_iou"] == pytest.approx(shifted.iou(true))
    assert cat["boundary_iou"] == pytest.approx(boundary_iou(shifted, true))
    assert (dog["class"], dog["objects"], dog["matched"], dog["boundary_iou"]) == ("dog", 1, 0, 0)
    assert evaluated.overall["precision"] == 0.5
    assert evaluated.overall["mAP"] == pytest.approx(
        0.35
    )  # the cat's 0.7 (up to IoU 0.8), a dog's 0
    dataset.reload()
    assert dataset.values("found.detections.e") == [["tp"], ["fp"], None]
    assert dataset.values("found.detections.e_iou")[0] == [pytest.approx(shifted.iou(true))]
    assert dataset.get_evaluation_info("e").config.use_masks


def test_the_numbers_are_fiftyones_own(fo: Any, evaluation: Any, dataset: Any) -> None:
    """Its own evaluation paints each pair of masks: 147 s for 200 x 20, where this takes 10."""
    random = np.random.default_rng(7)

    def scattered(count: int, shift: float, **fields: Any) -> list[Annotation]:
        labels = ("cat", "dog")
        return [disc(8 + 9 * n + shift * n, labels[n % 2], **fields) for n in range(count)]

    wide = annotation_of(np.ones(SIZE, np.bool_), "cat", crowd=True)
    truth = [[*scattered(5, 0), disc(50, crowd=True)], [*scattered(4, 0), wide], []]
    found = [scattered(6, 0.4), scattered(5, -0.8), scattered(2, 0)]
    scored = [[replace(a, score=float(random.uniform(0.1, 1))) for a in image] for image in found]
    put(fo, dataset, "truth", *truth)
    put(fo, dataset, "found", *scored)
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="ours")
    theirs = dataset.evaluate_detections(
        "found", "truth", eval_key="theirs", use_masks=True, compute_mAP=True, progress=False
    )
    ours = dataset.load_evaluation_results("ours")
    assert ours.metrics() == pytest.approx(theirs.metrics())
    assert evaluated.overall["mAP"] == pytest.approx(theirs.mAP())
    assert ours.mAR() == pytest.approx(theirs.mAR())
    np.testing.assert_allclose(ours.precision, theirs.precision)
    np.testing.assert_allclose(ours.thresholds, theirs.thresholds)
    assert sorted(map(repr, ours.ytrue_ids)) == sorted(map(repr, theirs.ytrue_ids))
    for path in ("found.detections.{}", "truth.detections.{}", "{}_tp", "{}_fp", "{}_fn"):
        own, other = (dataset.values(path.format(key), unwind=True) for key in ("ours", "theirs"))
        assert own == other
    own, other = (
        dataset.values(f"found.detections.{key}_iou", unwind=True) for key in ("ours", "theirs")
    )
    assert own == [None if iou is None else pytest.approx(iou) for iou in other]


def test_labels_in_fields_and_the_same_in_files_get_the_same_numbers(
    fo: Any, evaluation: Any, dataset: Any, tmp_path: Path
) -> None:
    """*Export masks* and `premask evaluate` between them say what *Evaluate masks* says."""
    export_masks = importlib.import_module("operators.work.export").export_masks
    random = np.random.default_rng(11)

    def found(count: int, shift: float) -> list[Annotation]:
        scores = random.uniform(0.1, 1, count)
        moved = [8 + 9 * n + shift * n for n in range(count)]
        return [disc(x, ["cat", "dog"][n % 2], score=scores[n]) for n, x in enumerate(moved)]

    put(fo, dataset, "truth", *([disc(8 + 9 * n, ["cat", "dog"][n % 2])] for n in range(3)))
    put(fo, dataset, "found", found(6, 0.4), found(5, -0.8), found(2, 0))
    ours = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    for name in ("found", "truth"):
        export_masks(dataset, tmp_path / name, label_fields=[name])
    of_files = evaluate(tmp_path / "found" / "coco.json", tmp_path / "truth" / "coco.json")
    assert 0 < ours.overall["mAP"] < 1
    assert of_files.numbers["masks"]["AP"] == pytest.approx(ours.overall["mAP"])


def test_boxes_are_matched_as_boxes(fo: Any, evaluation: Any, dataset: Any) -> None:
    put_objects(fo, dataset)
    box = Annotation(label="cat", box_xyxy=(8, 8, 32, 32))
    put(fo, dataset, "found", [box], [], [])
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    assert evaluated.rows[0]["recall"] == 0.5
    assert not dataset.get_evaluation_info("e").config.use_masks
    assert "mAP" not in evaluated.overall


def test_a_crowd_has_no_edge_to_compare(fo: Any, evaluation: Any, dataset: Any) -> None:
    put(fo, dataset, "truth", [disc(20, crowd=True), disc(45)], [], [])
    put(fo, dataset, "found", [disc(20), disc(45)], [], [])
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth")
    assert evaluated.rows[0]["matched"] == 1


def class_maps() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    truth, found = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    truth[5:30, 10:40], found[5:30, 12:40], found[35:, :] = 1, 1, 2
    return truth, found


def test_class_maps_are_compared_pixel_by_pixel(fo: Any, evaluation: Any, dataset: Any) -> None:
    truth, found = class_maps()
    dataset.set_values("truth", [fo.Segmentation(mask=truth)] * 3)
    dataset.set_values("found", [fo.Segmentation(mask=found)] * 2 + [None])
    dataset.default_mask_targets = {1: "sky", 2: "road"}
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    road, sky = evaluated.rows
    expected = boundary_iou(Mask.from_array(found == 1), Mask.from_array(truth == 1))
    assert (sky["class"], sky["images"]) == ("sky", 2)
    assert sky["mask_iou"] == sky["recall"] == pytest.approx(28 / 30)
    assert sky["precision"] == 1
    assert sky["boundary_iou"] == pytest.approx(expected)
    assert (road["class"], road["mask_iou"], road["boundary_iou"]) == ("road", 0, 0)
    metrics = dataset.load_evaluation_results("e").metrics()
    assert evaluated.overall == pytest.approx(metrics)


def put_mattes(fo: Any, dataset: Any, folder: Path, field: str, *alphas: Any) -> None:
    for number, (sample, alpha) in enumerate(zip(dataset, alphas, strict=True)):
        path = folder / field / f"{number}.png"
        annotations = [] if alpha is None else [soft_annotation(alpha)]
        sample[field] = fo.Heatmap(**heatmap_from_annotations(annotations, SIZE, path))
        sample.save()


def test_mattes_are_compared_level_by_level(
    fo: Any, evaluation: Any, dataset: Any, tmp_path: Path
) -> None:
    random = np.random.default_rng(4)
    truth, found = (random.integers(0, 256, SIZE).astype(np.uint8) for _ in range(2))
    put_mattes(fo, dataset, tmp_path, "truth", truth, truth, None)
    put_mattes(fo, dataset, tmp_path, "found", found, None, None)
    evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    true, nothing = Matte.from_array(truth), Matte.from_array(np.zeros(SIZE, np.uint8))
    sads = [sad(Matte.from_array(found), true), sad(nothing, true), 0]
    mses = [mse(Matte.from_array(found), true), mse(nothing, true), 0]
    assert evaluated.overall == pytest.approx({"sad": sum(sads) / 3, "mse": sum(mses) / 3})
    assert dataset.values("e_sad") == pytest.approx(sads)
    assert dataset.values("e_mse") == pytest.approx(mses)


def test_the_result_stays_with_the_dataset(fo: Any, evaluation: Any, dataset: Any) -> None:
    put_objects(fo, dataset)
    for _ in range(2):
        evaluated = evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="e")
    dataset.reload()
    assert evaluation.saved_evaluation(dataset, "e") == evaluated
    assert dataset.list_runs(method=evaluation.METHOD) == ["e"]


def test_a_label_that_cannot_be_read_is_named(fo: Any, evaluation: Any, dataset: Any) -> None:
    truth, _ = class_maps()
    dataset.set_values("truth", [fo.Segmentation(mask=truth)] * 3)
    dataset.set_values("found", [fo.Segmentation(mask=truth)] * 3)
    heatmap = fo.Heatmap(map_path="/gone.png")
    dataset.set_values("alpha", [heatmap] * 3)
    evaluated = evaluation.evaluate(dataset, pred_field="alpha", gt_field="alpha")
    assert set(evaluated.failures) == set(dataset.values("filepath"))
    assert evaluated.overall == {}


def test_fields_of_two_kinds_are_not_compared(fo: Any, evaluation: Any, dataset: Any) -> None:
    put_objects(fo, dataset)
    dataset.set_values("map", [fo.Segmentation(mask=class_maps()[0])] * 3)
    with pytest.raises(InvalidSetting, match="'map' holds Segmentation and 'truth' holds Detect"):
        evaluation.evaluate(dataset, pred_field="map", gt_field="truth")


def test_the_operator_shows_a_table(operator: Any, form: Any, fo: Any, dataset: Any) -> None:
    put_objects(fo, dataset)
    result = operator("evaluate")(dataset, pred_field="found", gt_field="truth").result
    assert [row["class"] for row in result["rows"]] == ["cat", "dog"]
    assert result["table"][0]["precision"] == "0.500"
    assert "precision 0.500" in result["summary"]
    assert dataset.has_evaluation("premask")
    shown = form("evaluate", dataset, results=result)
    columns = [column["key"] for column in shown["table"]["view"]["columns"]]
    assert columns == list(result["rows"][0])


def test_it_leads_to_the_panel_and_the_worst_matches(
    plugin: Any, fo: Any, evaluation: Any, dataset: Any
) -> None:
    put(fo, dataset, "truth", [disc(20), disc(45)], [disc(30)], [])
    put(fo, dataset, "found", [disc(21), disc(40)], [disc(33)], [])
    params = {"pred_field": "found", "gt_field": "truth", "eval_key": "e", "iou": 0.3}
    executed = plugin.execute_operator(
        "@premask/premask/evaluate", {"dataset": dataset, "params": params}
    )
    asked = {r.operator_uri: r.params for r in executed.executor._requests}
    panel = asked["open_panel"]["name"]
    assert plugin.operator_exists(f"@voxel51/panels/{panel}")
    assert "The view 'e_worst'" in executed.result["summary"]
    dataset.reload()
    ious = dataset.load_saved_view("e_worst").values("iou")
    assert len(ious) == 3
    assert ious == sorted(ious)
    dataset.save_view("f_worst", dataset.limit(1), description="by hand")
    with pytest.raises(InvalidSetting, match="premask did not make"):
        evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="f")


def test_the_worst_maps_and_mattes_come_first(
    fo: Any, evaluation: Any, dataset: Any, tmp_path: Path
) -> None:
    truth, found = class_maps()
    dataset.set_values("truth", [fo.Segmentation(mask=truth)] * 3)
    dataset.set_values("found", [fo.Segmentation(mask=m) for m in (truth, found, truth)])
    evaluation.evaluate(dataset, pred_field="found", gt_field="truth", eval_key="maps")
    worst = dataset.load_saved_view("maps_worst").first()
    assert worst.id == dataset.values("id")[1]
    alpha = np.full(SIZE, 200, np.uint8)
    put_mattes(fo, dataset, tmp_path, "alpha", alpha, alpha, alpha)
    put_mattes(fo, dataset, tmp_path, "matte", alpha, alpha, None)
    evaluation.evaluate(dataset, pred_field="matte", gt_field="alpha", eval_key="mattes")
    assert dataset.load_saved_view("mattes_worst").first().id == dataset.values("id")[2]
