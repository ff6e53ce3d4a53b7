"""Labels measured with true ones: what each kind of evaluation says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import premask
from premask import Annotation, Labeled, Mask, Matte, PremaskError, evaluate
from premask.evaluation.mattes import connectivity_error, gradient_error
from premask.runs.progress import Progress
from tests.core.coco_sample import unpack
from tests.core.live_masks import live_masks
from tests.core.two_sides import FOUND, SIZE, TRUE, photo, square, thing


def without_scores(labeled: list[Labeled]) -> list[Labeled]:
    return [
        photo(one.image.name, *(thing(a.label, a.mask) for a in one.annotations if a.mask))
        for one in labeled
    ]


def test_confusion_classes_and_worst_images() -> None:
    result = evaluate(FOUND, TRUE)
    assert result.labels == ["cat", "dog"]
    # cat: two hits; a dog was taken for a cat. The dog that was found is none.
    assert result.confusion == [[2, 0, 0], [1, 0, 0], [0, 1, 0]]
    cat, dog = result.classes
    assert (cat["true"], cat["found"], cat["hits"]) == (2, 3, 2)
    assert cat["precision"] == pytest.approx(2 / 3)
    assert cat["recall"] == 1.0
    assert (dog["found"], dog["hits"], dog["recall"]) == (1, 0, 0.0)
    assert [image.name for image in result.images] == ["a.png", "b.png", "c.png"]
    worst = result.images[0]
    assert [couple.other.label for couple in worst.differing] == ["dog"]
    assert worst.agreed[0].iou == pytest.approx(90 / 110)
    assert worst.disagreement == pytest.approx(1 - 90 / 110 / 2)
    assert result.images[2].disagreement == 0


def test_the_best_threshold_of_a_class_has_the_highest_f1() -> None:
    rows = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.2, False), (0.1, False)]
    places = {place: square(12 * (place % 4), 12 * (place // 4)) for place in range(6)}
    true = [photo("a.png", *(thing("x", places[k]) for k, (_, hit) in enumerate(rows) if hit))]
    found = [photo("a.png", *(thing("x", places[k], score) for k, (score, _) in enumerate(rows)))]
    (row,) = evaluate(found, true).classes
    assert row["threshold"] == 0.6
    assert (row["found"], row["hits"], row["F1"]) == (4, 3, pytest.approx(6 / 7))


def test_without_scores_there_is_no_ap_but_precision_and_recall() -> None:
    result = evaluate(without_scores(FOUND), TRUE)
    assert list(result.numbers) == ["at one point"]
    assert result.numbers["at one point"]["precision"] == 0.5
    assert result.numbers["at one point"]["recall"] == pytest.approx(2 / 3)
    assert "no score" in result.notes[0]
    assert "AP" not in result.classes[0]
    assert set(evaluate(FOUND, TRUE).numbers) == {"masks", "boxes", "at one point"}


def test_boxes_alone_are_compared_as_boxes() -> None:
    boxes = [
        Labeled(
            image=one.image,
            annotations=tuple(
                Annotation(label=a.label, box_xyxy=a.box_xyxy, score=a.score)
                for a in one.annotations
            ),
        )
        for one in FOUND
    ]
    result = evaluate(boxes, TRUE)
    assert set(result.numbers) == {"boxes", "at one point"}
    assert "no mask" in result.notes[0]


def test_what_lies_on_a_crowd_is_neither_right_nor_wrong() -> None:
    true = [photo("a.png", thing("cat", square(0, 0, 30), crowd=True), thing("cat", square(40, 0)))]
    found = [photo("a.png", thing("cat", square(5, 5), 0.9), thing("cat", square(40, 0), 0.8))]
    result = evaluate(found, true)
    assert result.numbers["at one point"]["precision"] == 1.0
    assert result.images[0].disagreement == 0.0


def test_nothing_found_and_nothing_true() -> None:
    nothing = [photo(one.image.name) for one in TRUE]
    result = evaluate(nothing, TRUE)
    assert result.numbers["at one point"]["recall"] == 0.0
    assert result.numbers["at one point"]["precision"] == -1.0
    assert result.as_json()["numbers"]["at one point"]["precision"] is None
    assert evaluate(nothing, nothing).images[0].disagreement == 0.0
    json.dumps(result.as_json())


def test_panoptic_quality() -> None:
    """Half of a found square lies where nothing is true: those pixels count for nobody."""
    result = evaluate(FOUND, TRUE, kind="panoptic")
    # cat: IoUs 90/100 (10 pixels are void) and 1, and a false one on the dog; dog: one is missed.
    assert result.numbers["panoptic"]["PQ"] == pytest.approx((1.9 / 2.5 + 0) / 2)
    # The dog in b.png lies on nothing: it is not counted.
    assert [row["only found"] for row in result.classes] == [1, 0]


def test_semantic_maps_are_compared_pixel_by_pixel() -> None:
    random = np.random.default_rng(1)
    maps = [(random.integers(0, 4, SIZE), random.integers(0, 4, SIZE)) for _ in range(3)]
    names = {1: "sky", 2: "road", 3: "car"}

    def labeled(side: int) -> list[Labeled]:
        return [
            photo(
                f"{place}.png",
                *(thing(name, Mask.from_array(pair[side] == n)) for n, name in names.items()),
            )
            for place, pair in enumerate(maps)
        ]

    result = evaluate(labeled(1), labeled(0), kind="semantic")
    true, found = (np.concatenate([pair[side].ravel() for pair in maps]) for side in (0, 1))
    true, found = true[true > 0], found[true > 0]
    ious = [
        ((true == n) & (found == n)).sum() / ((true == n) | (found == n)).sum() for n in (1, 2, 3)
    ]
    assert result.numbers["semantic"]["mIoU"] == pytest.approx(np.mean(ious))
    assert result.numbers["semantic"]["pixel accuracy"] == pytest.approx((true == found).mean())
    assert {row["class"]: row["IoU"] for row in result.classes} == pytest.approx(
        dict(zip(names.values(), ious, strict=True))
    )


def test_phrases_count_what_is_rightly_not_found() -> None:
    """cgF1 is what SAM 3's own evaluation gives for the same two files, to 15 digits."""
    result = evaluate(FOUND, TRUE, kind="phrases").classes
    # The dog that is no dog has a score of 0.2, and so was not found.
    assert {row["class"]: row["rightly not found"] for row in result} == {"cat": 1, "dog": 2}


def test_cgf1_on_coco_is_that_of_sam_3s_own_evaluation(tmp_path: Path) -> None:
    true, masks, _ = unpack(tmp_path)
    numbers = evaluate(masks, true, kind="phrases").numbers["phrases"]
    assert numbers == pytest.approx(
        {
            "cgF1": 0.2485439706365007,
            "cgF1@50": 0.37334925623284654,
            "cgF1@75": 0.24197527060276414,
            "positive micro F1": 0.3630881199460651,
            "image-level MCC": 0.6845279616238082,
        },
        rel=1e-13,
    )


def test_mattes_are_measured_where_both_sides_have_some() -> None:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[5:25, 5:25] = np.linspace(0, 255, 20).astype(np.uint8)
    other = alpha.copy()
    other[10:14, 10:20] = 0

    def labeled(pixels: NDArray[np.uint8]) -> list[Labeled]:
        matte = Matte.from_array(pixels)
        mask = matte.mask()
        annotation = Annotation(label="cat", box_xyxy=mask.box_xyxy, mask=mask, matte=matte)
        return [photo("a.png", annotation)]

    numbers = evaluate(labeled(other), labeled(alpha)).numbers["mattes"]
    true, found = Matte.from_array(alpha), Matte.from_array(other)
    assert numbers["Grad"] == gradient_error(found, true) > 0
    assert numbers["Conn"] == connectivity_error(found, true) > 0
    assert gradient_error(true, true) == connectivity_error(true, true) == 0
    assert "mattes" not in evaluate(TRUE, TRUE).numbers


def test_an_island_is_a_greater_error_of_connectivity_than_a_thin_edge() -> None:
    """The same error of alpha, once at the object's edge, once far from it."""
    true = np.zeros((40, 40), np.uint8)
    true[10:30, 10:30] = 255
    edge, island = true.copy(), true.copy()
    edge[10:20, 30] = 60
    island[2, 2:12] = 60
    errors = [
        connectivity_error(Matte.from_array(pixels), Matte.from_array(true))
        for pixels in (edge, island)
    ]
    assert errors == pytest.approx([10 * 60 / 255 / 1000] * 2)
    island[2, 2:12] = 200
    edge[10:20, 30] = 200
    near, far = (
        connectivity_error(Matte.from_array(pixels), Matte.from_array(true))
        for pixels in (edge, island)
    )
    assert near == pytest.approx(far)


def test_images_are_matched_by_what_of_their_names_is_the_same() -> None:
    moved = [photo(f"photos/{one.image.name}", *one.annotations) for one in FOUND]
    other = [photo(one.image.name.replace("png", "jpg"), *one.annotations) for one in FOUND]
    expected = evaluate(FOUND, TRUE).numbers
    assert evaluate(moved, TRUE).numbers == expected
    assert evaluate(other, TRUE).numbers == expected


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (FOUND[:2], "lacks 1 image of labels, such as 'c.png'"),
        ([*FOUND, photo("d.png")], "lacks 1 image of labels, such as 'd.png'"),
        ([photo("x.png")], "no image in common"),
        ([photo("a.png", size_hw=(60, 40)), *FOUND[1:]], "60 x 40|40 x 60"),
        ([*FOUND, FOUND[0]], "two images with the name 'a.png'"),
    ],
)
def test_images_that_do_not_fit_are_named(found: list[Labeled], words: str) -> None:
    with pytest.raises(PremaskError, match=words):
        evaluate(found, TRUE)


def test_common_images_alone_if_that_is_wanted() -> None:
    assert evaluate(FOUND[:2], TRUE, common_only=True).image_count == 2


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"image_id": 99, "category_id": 1}, "image_id 99 is not in"),
        ({"image_id": 1, "category_id": 9}, "category_id 9 is not in"),
        ({"image_id": 1, "category_id": 1, "score": 1}, "neither a segmentation nor a bbox"),
        (
            {"image_id": 1, "category_id": 1, "segmentation": {"size": [4, 4], "counts": "04"}},
            "annotation None is wrong: .*This RLE",
        ),
    ],
)
def test_results_that_are_wrong_are_named(
    record: dict[str, object], words: str, tmp_path: Path
) -> None:
    premask.write(TRUE, "coco", tmp_path / "true.json")
    (tmp_path / "found.json").write_text(json.dumps([record]))
    with pytest.raises(PremaskError, match=words):
        evaluate(tmp_path / "found.json", tmp_path / "true.json")


def test_results_alone_have_no_names(tmp_path: Path) -> None:
    record = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5}
    (tmp_path / "found.json").write_text(json.dumps([record]))
    with pytest.raises(PremaskError, match="ids in the place of names"):
        evaluate(tmp_path / "found.json", TRUE)


@pytest.mark.parametrize("settings", [{"kind": "keypoints"}, {"iou": 0.0}, {"iou": 1.5}])
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(PremaskError):
        evaluate(FOUND, TRUE, **settings)  # type: ignore[arg-type]


def test_panoptic_maps_of_coco_are_read_as_such(tmp_path: Path) -> None:
    for name, labeled in (("found", FOUND), ("true", TRUE)):
        premask.write(labeled, "coco-panoptic", tmp_path / name / "labels.json")
    files = [tmp_path / name / "labels.json" for name in ("found", "true")]
    assert (
        evaluate(*files, kind="panoptic").numbers == evaluate(FOUND, TRUE, kind="panoptic").numbers
    )


@pytest.mark.parametrize("kind", ["objects", "panoptic", "semantic", "phrases"])
def test_masks_of_a_few_images_are_held_at_a_time(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("premask.datasets.image_pairs.AT_ONCE", 2)
    labeled = [
        photo(f"{x}.png", *(thing("cat", square(x, y), 0.5) for y in range(9))) for x in range(30)
    ]
    premask.write(labeled, "coco", tmp_path / "true.json")
    del labeled
    alive: list[int] = []

    def count(progress: Progress) -> None:
        if progress.thing == "images" and progress.done == 30:
            alive.append(live_masks())

    before = live_masks()
    true = tmp_path / "true.json"
    result = evaluate(true, true, kind=kind, on_progress=count)
    assert alive
    assert max(alive) <= before + 2 * 2 * 2 * 9
    # What is not held is there again when it is asked for.
    assert [len(image.agreed) for image in result.images] == [9] * 30
    assert all(couple.one.mask == couple.other.mask for couple in result.images[3].agreed)
    assert [len(image.agreed) for image in result.images[1:3]] == [9, 9]


def test_panoptic_quality_of_things_and_of_stuff(tmp_path: Path) -> None:
    """COCO's categories say which is which; the mean of all lies between the two."""
    true = [photo("a.png", thing("cat", square(0, 0)), thing("sky", square(20, 0, 20)))]
    found = [photo("a.png", thing("cat", square(0, 0)), thing("sky", square(20, 0, 16)))]
    for form in ("coco", "coco-panoptic"):
        path = tmp_path / f"{form}.json"
        premask.write(true, form, path)
        assert set(evaluate(found, path, kind="panoptic").numbers) == {"panoptic"}
        data = json.loads(path.read_text())
        for category in data["categories"]:
            category["isthing"] = int(category["name"] != "sky")
        path.write_text(json.dumps(data))
        result = evaluate(found, path, kind="panoptic")
        quality = {name: group["PQ"] for name, group in result.numbers.items()}
        assert quality == {
            "panoptic": pytest.approx((1 + 0.64) / 2),
            "things": 1.0,
            "stuff": pytest.approx(0.64),
        }
        assert [row["is"] for row in result.classes] == ["things", "stuff"]
