"""What an annotation says of proposals: by their ids, by where they are, and by their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from ml_backend.server.proposals import (
    SHAPE_PIXELS,
    Proposal,
    Proposals,
    proposals_of,
    shown_regions,
)
from ml_backend.server.verdicts import OTHERS, UNCHANGED, by_label, judged
from premask.annotations import Annotation
from premask.labels.label_studio import regions_from_annotation
from premask.masks import Mask
from tests.ml_backend.label_studio_calls import Json, region

SIZE = {"original_width": 100, "original_height": 50, "image_rotation": 0}


def box(name: str, label: str = "Cat", origin: str = "prediction", **value: float) -> Json:
    """A region that says on what image it is, so that its shape is known."""
    return region(name, label, origin, value={"rotation": 0, **value}, **SIZE)


def brush(name: str, right: int, origin: str = "prediction") -> Json:
    pixels = np.zeros((50, 100), np.uint8)
    pixels[10:40, 10:right] = 1
    mask = Mask.from_array(pixels)
    found = Annotation(label="Cat", box_xyxy=mask.box_xyxy, mask=mask)
    (painted,) = regions_from_annotation(found, (50, 100))
    return {**painted, "id": name, "origin": origin}


def proposed(*regions: Json, recipe: str = "r", clicked: bool = False) -> dict[str, Proposal]:
    return proposals_of(list(regions), recipe=recipe, clicked=clicked)


def said(
    *regions: Json, of: Mapping[str, Proposal], parent: int | None = 1, **fields: Any
) -> dict[str, dict[str, int]]:
    annotation = {"result": list(regions), "parent_prediction": parent, **fields}
    return by_label(judged(annotation, of))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([region("a")], {"Cat": {"accepted": 1}}),
        ([region("a", origin="prediction-changed")], {"Cat": {"corrected": 1}}),
        ([region("a", "Dog")], {"Cat": {"corrected": 1}}),
        ([region("a", origin="manual")], {"Cat": {"accepted": 1}}),
        ([], {"Cat": {"deleted": 1}}),
        (
            [region("a"), region("z", "Dog", "manual")],
            {"Cat": {"accepted": 1}, "Dog": {"added": 1}},
        ),
        (
            [region("a"), region("z", "Dog")],
            {"Cat": {"accepted": 1}, "Dog": {"accepted": 1}},
        ),
    ],
)
def test_a_verdict_on_each_proposal_whose_shape_is_not_known(
    kept: list[Json], expected: Json
) -> None:
    assert said(*kept, of=proposed(region("a"))) == expected


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (box("a", width=20), "accepted"),
        # Label Studio says so of whatever was touched.
        (box("a", origin="prediction-changed", width=20.5), "accepted"),
        (box("a", origin="prediction-changed", width=30), "corrected"),
        # An accepted suggestion stays "manual" whatever is done to it.
        (box("a", origin="manual", width=30), "corrected"),
        (box("a", x=60), "corrected"),
        (box("a", "Dog"), "corrected"),
    ],
)
def test_a_shape_that_hardly_changed_is_accepted(now: Json, verdict: str) -> None:
    assert said(now, of=proposed(box("a"))) == {"Cat": {verdict: 1}}


@pytest.mark.parametrize(
    ("right", "verdict"), [(90, "accepted"), (87, "accepted"), (84, "corrected")]
)
def test_a_painted_mask_is_accepted_from_this_iou_on(right: int, verdict: str) -> None:
    assert ((right - 10) / 80 >= UNCHANGED) == (verdict == "accepted")
    now = brush("a", right, "prediction-changed")
    assert said(now, of=proposed(brush("a", 90))) == {"Cat": {verdict: 1}}


def test_what_is_drawn_anew_where_a_proposal_was_deleted_corrects_it() -> None:
    before = proposed(box("a"), box("b", "Dog", x=60))
    drawn = box("new", "Cow", "manual", width=24)
    assert said(drawn, of=before) == {"Cat": {"corrected": 1}, "Dog": {"deleted": 1}}
    elsewhere = box("new", "Cow", "manual", x=30)
    assert said(elsewhere, of=before) == {
        "Cat": {"deleted": 1},
        "Cow": {"added": 1},
        "Dog": {"deleted": 1},
    }
    other_page = {**drawn, "item_index": 1}
    assert said(other_page, of=before)["Cow"] == {"added": 1}
    # A click that led to nothing was not deleted, and what is drawn then does not correct it.
    clicked = proposed(box("a"), clicked=True)
    for parent in (None, 1):
        assert said(drawn, of=clicked, parent=parent) == {"Cow": {"added": 1}}


def test_one_redrawn_region_corrects_one_proposal() -> None:
    before = proposed(box("a"), box("b", width=21))
    assert said(box("new", origin="manual", width=21), of=before) == {
        "Cat": {"accepted": 1, "deleted": 1}
    }


def test_recipes_are_told_apart_and_what_one_missed_is_its_own() -> None:
    before = proposed(box("a"), recipe="dino") | proposed(box("c"), recipe="click", clicked=True)
    regions = [box("a"), box("c", origin="manual"), box("d", "Dog", "manual", x=60)]
    rows = judged({"result": regions, "parent_prediction": 1}, before)
    assert {tuple(row) for row in rows} == {
        ("dino", "Cat", "accepted", 1),
        ("click", "Cat", "accepted", 1),
        ("dino", "Dog", "added", 1),
    }


def test_who_skips_a_task_deletes_nothing() -> None:
    assert said(of=proposed(box("a")), was_cancelled=True) == {}


def test_a_plain_shape_and_its_label_are_one_proposal() -> None:
    shape = {"id": "a", "type": "brush", "value": {"rle": []}, "origin": "prediction"}
    taxonomy = {"rle": [], "taxonomy": [["Animals", "Cat"]]}
    both = [shape, {**shape, "type": "taxonomy", "value": taxonomy}]
    before = proposed(*both)
    assert {name: one.label for name, one in before.items()} == {"a": "Animals / Cat"}
    assert said(*both, of=before) == {"Animals / Cat": {"accepted": 1}}


def test_what_was_proposed_is_deleted_only_by_who_saw_it() -> None:
    assert said(of=proposed(box("a")), parent=None) == {}
    assert said(of=proposed(box("a"), clicked=True)) == {}
    # The annotation began with another prediction than the one that is remembered.
    assert said(box("of yesterday"), of=proposed(box("a"))) == {"Cat": {"accepted": 1}}


@pytest.mark.parametrize(
    "result",
    [
        None,
        "x",
        [None, {}, {"id": "a"}, {"id": "b", "type": "t", "value": 3}],
        [{"id": [], "type": "brushlabels", "value": {"brushlabels": ["Cat"]}}],
    ],
)
def test_regions_without_a_label_are_passed_over(result: Any) -> None:
    assert judged({"result": result}, {}) == []


@pytest.mark.parametrize(
    "value",
    [
        {"width": "x"},
        {"x": float("nan")},
        {"rectanglelabels": ["Cat"], "points": [[0, 0]]},
    ],
)
def test_a_shape_that_cannot_be_read_is_judged_by_its_origin(value: Json) -> None:
    odd = box("a") | {"value": box("a")["value"] | value}
    assert said(odd, of=proposed(box("a"))) == {"Cat": {"accepted": 1}} or value == {
        "rectanglelabels": ["Cat"],
        "points": [[0, 0]],
    }


def test_nobody_makes_it_paint_a_huge_mask() -> None:
    huge = brush("a", 90) | {"original_width": SHAPE_PIXELS, "original_height": 2}
    (shown,) = shown_regions([huge])
    assert shown.shape is None


def test_labels_of_an_annotation_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_backend.server.verdicts.LABELS_OF_AN_ANNOTATION", 2)
    many = [region(str(number), str(number), "manual") for number in range(5)]
    assert said(*many, of={}, parent=None) == {
        "0": {"added": 1},
        "1": {"added": 1},
        OTHERS: {"added": 3},
    }


def test_a_new_prediction_takes_the_place_of_the_old_one_but_clicks_stay() -> None:
    proposals = Proposals()
    proposals.add("1/1", proposed(region("a")), clicked=False)
    proposals.add("1/1", proposed(region("c", "Dog"), clicked=True), clicked=True)
    proposals.add("1/1", proposed(region("b", "Cow")), clicked=False)
    assert said(region("c", "Dog", "manual"), of=proposals.of("1/1")) == {
        "Dog": {"accepted": 1},
        "Cow": {"deleted": 1},
    }


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TASKS": 3, "REGIONS_OF_A_TASK": 2, "TASKS_WITH_SHAPES": 1}.items():
        monkeypatch.setattr(f"ml_backend.server.proposals.{name}", value)
    proposals = Proposals()
    for number in range(5):
        proposals.add(str(number), proposed(*map(box, "abc")), clicked=False)
    assert [len(proposals.of(str(number))) for number in range(5)] == [0, 0, 2, 2, 2]
    known = [
        [one.shape is not None for one in proposals.of(str(number)).values()]
        for number in range(2, 5)
    ]
    assert known == [[False] * 2, [False] * 2, [True] * 2]
    monkeypatch.setattr("ml_backend.server.proposals.SHAPE_BYTES", 3)
    proposals.add("large", proposed(brush("a", 90)), clicked=False)
    assert proposals.of("large")["a"].shape is None
