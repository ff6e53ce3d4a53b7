"""*Outline labels*: what a field shows becomes masks, and each label stays what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import premask
from premask.labels.fiftyone import annotation_from_detection
from premask.prompts import Hint, Point, Prompts

Operator = Callable[..., Any]

SIZES = {"astronaut": (256, 256), "chelsea": (150, 226), "coffee": (200, 300)}


@pytest.fixture
def outline(operator: Operator, photo_dataset: Any) -> Operator:
    """Outline what a field has, and return the run."""

    def outlined(samples: Any = None, field: str = "truth", **options: Any) -> Any:
        samples = photo_dataset if samples is None else samples
        run = operator("outline_labels")(samples, source_field=field, **options).result
        photo_dataset.reload()
        photo_dataset.clear_cache()
        return run

    return outlined


def put(dataset: Any, field: str, label: Any) -> None:
    """Give the first photo, of a woman, a label."""
    first = dataset.first()
    first[field] = label
    first.save()


def box(fo: Any, label: str, corners: tuple[int, ...], **fields: Any) -> Any:
    """Make a detection from corners in the first photo, which has 256 x 256 pixels."""
    x0, y0, x1, y1 = (side / 256 for side in corners)
    return fo.Detection(label=label, bounding_box=[x0, y0, x1 - x0, y1 - y0], **fields)


def read(detection: Any, size_hw: tuple[int, int] = (256, 256)) -> Any:
    names = ("label", "bounding_box", "mask", "confidence", "source")
    return annotation_from_detection(
        {name: detection[name] for name in names if detection.has_field(name)}, size_hw
    )


def expected(dataset: Any, *hints: Hint) -> list[Any]:
    """What the core makes of these hints in the first photo."""
    photo = dataset.first().filepath
    (labeled,) = premask.label([photo], "click", prompts=Prompts(objects=hints))
    assert labeled.error is None
    return [annotation.mask for annotation in labeled.annotations]


FACE, HELMET = (80, 20, 145, 115), (150, 95, 250, 230)


def test_each_box_gets_its_mask_and_stays_what_it_is(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    labels = [
        box(fo, "helmet", HELMET, reviewer="Ann", index=7, tags=["good"]),
        box(fo, "face", FACE, confidence=0.25),
    ]
    put(photo_dataset, "truth", fo.Detections(detections=labels))
    before = photo_dataset.first().truth.to_dict()
    run = outline()
    hints = [Hint(label=name, box_xyxy=place) for name, place in (("a", HELMET), ("b", FACE))]
    helmet, face = photo_dataset.first().truth_outlined.detections
    assert [read(helmet).mask, read(face).mask] == expected(photo_dataset, *hints)
    assert (helmet.label, helmet.reviewer, helmet.index) == ("helmet", "Ann", 7)
    assert (face.label, face.confidence, face.source) == ("face", 0.25, ["grabcut"])
    assert helmet.tags == []  # what somebody said about the box
    assert helmet.premask_run == run["name"]
    assert photo_dataset.first().truth.to_dict() == before
    assert (run["labeled"], run["annotations"], run["failed"]) == (1, 2, 0)


@pytest.mark.parametrize(
    "signs",
    [{"positive": [True, True, False]}, {"sam_labels": [1, 1, 0]}, {"sam2_labels": [1, 1, 0]}],
)
def test_points_on_and_beside_an_object(
    fo: Any, photo_dataset: Any, outline: Operator, signs: dict[str, Any]
) -> None:
    """An attribute says it point by point; a keypoint 'negative' is beside all objects."""
    points = [(110 / 256, 60 / 256), (float("nan"), float("nan")), (40 / 256, 40 / 256)]
    labels = [
        fo.Keypoint(label="face", points=points, reviewer="Ann", **signs),
        fo.Keypoint(label="negative", points=[(200 / 256, 150 / 256)]),
    ]
    put(photo_dataset, "clicks", fo.Keypoints(keypoints=labels))
    outline(field="clicks")
    clicks = (
        Point(x=110, y=60, label="face"),
        Point(x=40, y=40, positive=False, label="face"),
        Point(x=200, y=150, positive=False, label="negative"),
    )
    (face,) = photo_dataset.first().clicks_outlined.detections
    assert [read(face).mask] == expected(photo_dataset, Hint(label="face", points=clicks))
    assert (face.label, face.reviewer) == ("face", "Ann")
    assert not set(signs) & set(face.field_names)


def test_points_of_which_not_all_are_said_to_be_on_or_beside_are_refused(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    points = [(0.5, 0.5), (0.4, 0.5)]
    keypoint = fo.Keypoint(label="face", points=points, positive=[False])
    put(photo_dataset, "clicks", fo.Keypoints(keypoints=[keypoint]))
    (reason,) = outline(field="clicks")["failures"].values()
    assert "2 points, but says of 1 whether" in reason


def test_the_form_says_what_points_mean(fo: Any, photo_dataset: Any, form: Operator) -> None:
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", FACE)]))
    put(photo_dataset, "dots", fo.Keypoints(keypoints=[]))
    assert "clicks" not in form("outline_labels", photo_dataset)
    fields = form("outline_labels", photo_dataset, {"source_field": "dots"})
    assert "'sam_labels'" in fields["clicks"]["view"]["description"]
    assert "'dots' itself stays as it is" in fields["label_field"]["view"]["description"]


def test_coarse_masks_of_one_image_are_all_outlined(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    """Two masks, and a polygon in a field of its own."""
    mask = np.ones((95, 65), np.bool_)
    mask[:20, :20] = False
    labels = [box(fo, "face", FACE, mask=mask), box(fo, "helmet", HELMET, mask=mask)]
    put(photo_dataset, "truth", fo.Detections(detections=labels))
    outline()
    rough = [read(label) for label in labels]
    hints = [Hint(label="a", box_xyxy=shape.box_xyxy, mask=shape.mask) for shape in rough]
    made = photo_dataset.first().truth_outlined.detections
    assert [read(detection).mask for detection in made] == expected(photo_dataset, *hints)
    shape = [(80 / 256, 20 / 256), (145 / 256, 20 / 256), (145 / 256, 115 / 256)]
    polyline = fo.Polyline(label="face", points=[shape], closed=True, filled=True)
    put(photo_dataset, "shape", polyline)
    outline(field="shape")
    assert photo_dataset.first().shape_outlined.detections[0].label == "face"


def test_labels_that_the_stages_reorder_or_drop_keep_their_own_names(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    boxes = [FACE, HELMET, (5, 5, 15, 15)]
    labels = [box(fo, "same", corners, number=n) for n, corners in enumerate(boxes)]
    put(photo_dataset, "truth", fo.Detections(detections=labels))
    outline(settings={"select.sort": "x", "select.top": 2})
    made = photo_dataset.first().truth_outlined.detections
    assert [detection.number for detection in made] == [1, 0]


def test_only_what_the_view_shows_is_outlined(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    labels = fo.Detections(detections=[box(fo, "face", FACE), box(fo, "helmet", HELMET)])
    put(photo_dataset, "truth", labels)
    outline(photo_dataset.filter_labels("truth", fo.ViewField("label") == "helmet"))
    assert photo_dataset.values("truth_outlined.detections.label") == [["helmet"], None, None]


def test_nothing_is_outlined_twice(
    fo: Any, photo_dataset: Any, outline: Operator, finder: Any
) -> None:
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", FACE)]))
    outline(settings={"select.top": 1})
    assert outline(settings={"select.top": 1})["reused"] == 1
    assert len(finder.looked_at) == 1
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", HELMET)]))
    assert outline(settings={"select.top": 1}, existing="replace")["labeled"] == 1


def test_masks_on_disk_are_taken_away_by_undo(
    fo: Any, photo_dataset: Any, outline: Operator, operator: Operator, tmp_path: Path
) -> None:
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", FACE)]))
    run = outline(masks_on_disk=True, folder=str(tmp_path))
    made = photo_dataset.first().truth_outlined.detections[0]
    assert made.mask is None
    assert Path(made.mask_path).is_relative_to(tmp_path)
    operator("undo_run")(photo_dataset, run["name"])
    photo_dataset.reload()
    assert not photo_dataset.has_field("truth_outlined")
    assert not list(tmp_path.rglob("*.png"))
    assert photo_dataset.first().truth.detections[0].label == "face"


def test_a_label_that_can_t_be_read_is_named(
    fo: Any, photo_dataset: Any, outline: Operator
) -> None:
    put(photo_dataset, "truth", fo.Detections(detections=[fo.Detection(label="face")]))
    run = outline()
    (reason,) = run["failures"].values()
    assert "can't be read" in reason
    assert (run["failed"], run["labeled"]) == (1, 0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"label_field": "truth"}, "stay as they are"),
        ({"recipe": "subject"}, "can't be told where objects are"),
        ({"field": "weather"}, "holds no labels with a place"),
        ({"field": "map"}, "holds Segmentation, but this works on"),
    ],
)
def test_what_can_t_be_done_is_refused(
    fo: Any, photo_dataset: Any, outline: Operator, options: dict[str, Any], reason: str
) -> None:
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", FACE)]))
    put(photo_dataset, "weather", fo.Classification(label="sunny"))
    put(photo_dataset, "map", fo.Segmentation(mask=np.ones((2, 2), np.uint8)))
    with pytest.raises(Exception, match=reason):
        outline(**options)


def test_the_form_offers_fields_and_recipes_that_can(
    fo: Any, photo_dataset: Any, form: Operator
) -> None:
    assert "There are no labels" in str(form("outline_labels", photo_dataset))
    put(photo_dataset, "weather", fo.Classification(label="sunny"))
    put(photo_dataset, "truth", fo.Detections(detections=[box(fo, "face", FACE)]))
    put(photo_dataset, "clicks", fo.Keypoints(keypoints=[]))
    fields = form("outline_labels", photo_dataset)
    choices = [choice["value"] for choice in fields["source_field"]["view"]["choices"]]
    assert choices == ["truth", "clicks"]
    assert fields["label_field"]["default"] == "truth_outlined"
    offered = [choice["value"] for choice in fields["recipe"]["view"]["choices"]]
    assert "click" in offered
    assert "subject" not in offered
