from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.geometry import Box, box_area, shared_areas
from premask.masks import Mask
from premask.settings import settings_of
from premask.shaping.overlap import apart_from, without_duplicates
from premask.shaping.select import (
    Select,
    at,
    between,
    center_x,
    chosen,
    holding,
    ordered,
    score,
    select,
    width,
    with_labels,
)

SIZE = (100, 120)


def boxed(label: str, box_xyxy: Box, score: float | None = None) -> Annotation:
    return Annotation(label=label, box_xyxy=box_xyxy, score=score)


def outlined(label: str, box_xyxy: tuple[int, int, int, int], mask: Mask) -> Annotation:
    return Annotation(label=label, box_xyxy=box_xyxy, mask=mask)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), SIZE)


CAT = boxed("cat", (0, 0, 10, 20), 0.9)
DOG = boxed("dog", (20, 10, 60, 40), 0.6)
BIRD = boxed("bird", (50, 50, 55, 53))
COW = boxed("cow", (70, 0, 110, 90), 0.3)
ALL = (CAT, DOG, BIRD, COW)
EMPTY = outlined("empty", (0, 0, 0, 0), Mask.empty(SIZE))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        (Select(), ALL),
        (Select(labels=("cow", "cat")), (CAT, COW)),
        (Select(min_score=0.6), (CAT, DOG, BIRD)),
        (Select(max_score=0.6), (DOG, BIRD, COW)),
        (Select(min_area=200), (CAT, DOG, COW)),
        (Select(max_area=200), (CAT, BIRD)),
        (Select(min_width=40), (DOG, COW)),
        (Select(max_width=10), (CAT, BIRD)),
        (Select(min_height=30), (DOG, COW)),
        (Select(max_height=20), (CAT, BIRD)),
        (Select(min_x=52.5), (BIRD, COW)),
        (Select(max_x=40), (CAT, DOG)),
        (Select(min_y=25), (DOG, BIRD, COW)),
        (Select(max_y=25), (CAT, DOG)),
        (Select(contains=(59.9, 10.0)), (DOG,)),
        (Select(contains=(60.0, 10.0)), ()),
        (Select(sort="score"), (CAT, DOG, COW, BIRD)),
        (Select(sort="area"), (COW, DOG, CAT, BIRD)),
        (Select(sort="width", descending=False), (BIRD, CAT, DOG, COW)),
        (Select(sort="height"), (COW, DOG, CAT, BIRD)),
        (Select(sort="x", descending=False), (CAT, DOG, BIRD, COW)),
        (Select(sort="y"), (BIRD, COW, DOG, CAT)),
        (Select(top=2), (CAT, DOG)),
        (Select(sort="area", top=1), (COW,)),
        (Select(index=1), (DOG,)),
        (Select(index=-1), (COW,)),
        (Select(index=-4), (CAT,)),
        (Select(index=4), ()),
        (Select(index=-5), ()),
        (Select(sort="x", descending=False, top=2, index=-1), (DOG,)),
    ],
)
def test_a_setting_keeps(settings: Select, kept: tuple[Annotation, ...]) -> None:
    selection = select(ALL, settings)
    assert selection.kept == kept
    assert selection.remaining == tuple(found for found in ALL if found not in kept)


def test_remaining_hands_on_the_others_in_the_order_in_which_they_came() -> None:
    settings = Select(sort="area", top=2)
    assert chosen(ALL, settings) == (COW, DOG)
    assert chosen(ALL, Select(sort="area", top=2, remaining=True)) == (CAT, BIRD)


def test_equal_objects_are_two_objects() -> None:
    twin = boxed("cat", CAT.box_xyxy, CAT.score)
    selection = select([CAT, twin, CAT], Select(top=1))
    assert selection.kept == (CAT,)
    assert [found is twin for found in selection.remaining] == [True, False]


def test_the_steps_run_in_the_order_of_the_fields() -> None:
    small = boxed("cat", (0, 0, 10, 10), 0.9)
    large = boxed("cat", (0, 0, 10, 14), 0.5)
    # The small one is better, so it would beat the large one had it not been too small.
    assert select([small, large], Select(min_area=120, nms=0.5)).kept == (large,)
    assert select([small, large], Select(nms=0.5, sort="area", top=1)).kept == (small,)
    names = [item.name for item in fields(Select)]
    assert names.index("max_y") < names.index("nms") < names.index("sort") < names.index("top")


def test_every_field_is_a_setting_with_a_sentence() -> None:
    assert [item.name for item in fields(Select)] == list(settings_of(Select))
    assert all(item.help for item in settings_of(Select).values())


def test_sorting_is_stable_both_ways() -> None:
    twins = [boxed(name, (0, 0, 5, 5), 0.5) for name in "abc"]
    unscored = boxed("d", (0, 0, 5, 5))
    assert ordered([unscored, *twins], score) == (*twins, unscored)
    assert ordered([*twins, unscored], score, descending=False) == (unscored, *twins)


def test_area_and_point_are_those_of_the_mask() -> None:
    corner = outlined("corner", (10, 10, 50, 50), rectangle(10, 10, 20, 20))
    assert select([corner], Select(max_area=100)).kept == (corner,)
    assert holding([corner], (19.9, 19.9)) == (corner,)
    assert holding([corner], (10.0, 10.0)) == (corner,)
    assert holding([corner], (20.0, 19.0)) == ()
    first = outlined("first", (0, 0, 9, 9), rectangle(0, 0, 9, 9))
    assert holding([first, CAT], (0.0, 0.0)) == (first, CAT)
    assert holding([first, CAT], (-0.5, 3.0)) == ()
    assert holding([first, CAT], (3.0, -0.5)) == ()
    assert holding([CAT], (3.0, 20.0)) == ()


def test_a_person_can_call_each_step() -> None:
    assert with_labels(ALL, ["dog"]) == (DOG,)
    assert between(ALL, width, 10, 40) == (CAT, DOG, COW)
    assert between(ALL, center_x, None, 5) == (CAT,)
    assert at(ALL, -2) == (BIRD,)
    assert at((), 0) == ()


def test_nms_drops_what_overlaps_a_better_one_of_its_label() -> None:
    best = boxed("cat", (0, 0, 10, 10), 0.9)
    near = boxed("cat", (0, 0, 10, 8), 0.8)
    other = boxed("dog", (0, 0, 10, 9), 0.7)
    far = boxed("cat", (50, 50, 60, 60), 0.1)
    objects = [far, near, other, best]
    assert without_duplicates(objects, 0.5) == (far, other, best)
    assert without_duplicates(objects, 0.5, across_labels=True) == (far, best)
    assert without_duplicates(objects, 0.8) == (far, near, other, best)  # exactly 0.8 is not more
    assert without_duplicates(objects, 0.79) == (far, other, best)
    assert select(objects, Select(nms=0.5, nms_across_labels=True)).kept == (far, best)


def test_what_a_dropped_one_overlapped_stays() -> None:
    chain = [boxed("cat", (x, 0, x + 10, 10), 0.9 - x / 100) for x in (0, 4, 8)]
    assert without_duplicates(chain, 0.3) == (chain[0], chain[2])


def test_nms_of_a_small_one_inside_a_large_one() -> None:
    large, small = boxed("cat", (0, 0, 40, 40), 0.9), boxed("cat", (5, 5, 15, 15), 0.8)
    assert select([large, small], Select(nms=0.5)).kept == (large, small)
    assert select([large, small], Select(nms=0.5, nms_measure="ios")).kept == (large,)


def test_nms_prefers_the_larger_and_then_the_first_of_equal_scores() -> None:
    small, large = boxed("cat", (0, 0, 10, 9)), boxed("cat", (0, 0, 10, 10), 0.0)
    twin = boxed("cat", (0, 0, 10, 10))
    (kept,) = without_duplicates([small, large, twin], 0.5)
    assert kept is large


def test_nms_by_mask_looks_at_pixels() -> None:
    upper = Mask.from_array(np.tri(*SIZE))
    left = outlined("cat", (0, 0, 120, 100), upper)
    right = outlined("cat", (0, 0, 120, 100), upper.inverted())
    assert without_duplicates([left, right], 0.5) == (left,)
    assert without_duplicates([left, right], 0.0, by="mask") == (left, right)
    assert select([left, right], Select(nms=0.0, nms_by="mask")).kept == (left, right)
    assert len(without_duplicates([left, left], 0.9, by="mask")) == 1


def test_by_mask_an_object_without_one_counts_as_its_box() -> None:
    mask = outlined("cat", (0, 0, 99, 99), rectangle(0, 0, 30, 30))
    same, far = boxed("cat", (0, 0, 30, 30)), boxed("cat", (40, 40, 99, 99))
    assert without_duplicates([mask, same, far], 0.9, by="mask") == (mask, far)
    assert without_duplicates([same, same], 0.9, by="mask") == (same,)


def test_masks_of_different_images_can_not_be_compared() -> None:
    one = outlined("cat", (0, 0, 9, 9), rectangle(0, 0, 9, 9))
    two = outlined("cat", (0, 0, 9, 9), Mask.from_array(np.ones((9, 9))))
    with pytest.raises(InvalidMask, match="different sizes"):
        without_duplicates([one, two], 0.5, by="mask")


@pytest.mark.parametrize("by", ["box", "mask"])
@pytest.mark.parametrize("measure", ["iou", "ios"])
def test_empty_objects_overlap_nothing(by: str, measure: str) -> None:
    objects = (EMPTY, EMPTY, outlined("empty", (0, 0, 9, 9), rectangle(0, 0, 9, 9)))
    assert without_duplicates(objects, 0.0, by=by, measure=measure) == objects
    assert without_duplicates((), 0.5, by=by, measure=measure) == ()
    settings = Select(nms=0.0, nms_by=by, contains=(0.5, 0.5), sort="area", min_area=1)
    assert select(objects, settings).kept == objects[2:]


def overlap_one_by_one(one: Annotation, two: Annotation, by: str, measure: str) -> float:
    if by == "mask":
        assert one.mask is not None
        assert two.mask is not None
        shared, areas = one.mask.intersection(two.mask).area, (one.mask.area, two.mask.area)
    else:
        shared = _shared_pixels(one.box_xyxy, two.box_xyxy)
        areas = int(box_area(one.box_xyxy)), int(box_area(two.box_xyxy))
    return shared / max(1, min(areas) if measure == "ios" else sum(areas) - shared)


def _shared_pixels(one: Box, two: Box) -> int:
    columns = set(range(int(one[0]), int(one[2]))) & set(range(int(two[0]), int(two[2])))
    rows = set(range(int(one[1]), int(one[3]))) & set(range(int(two[1]), int(two[3])))
    return len(columns) * len(rows)


@hypothesis_settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 12),
    threshold=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    by=st.sampled_from(["box", "mask"]),
    measure=st.sampled_from(["iou", "ios"]),
)
def test_nms_agrees_with_the_textbook(
    seed: int, count: int, threshold: float, by: str, measure: str
) -> None:
    chance = np.random.default_rng(seed)
    objects = [_random_object(chance) for _ in range(count)]
    kept: list[Annotation] = []
    for found in sorted(objects, key=lambda found: -(found.score or 0)):
        rivals = (other for other in kept if other.label == found.label)
        if all(overlap_one_by_one(found, other, by, measure) <= threshold for other in rivals):
            kept.append(found)
    expected = tuple(found for found in objects if found in kept)
    assert without_duplicates(objects, threshold, by=by, measure=measure) == expected


@hypothesis_settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 8))
def test_what_is_apart_from_others_is_found_as_one_by_one(seed: int, count: int, more: int) -> None:
    """Masks are compared with masks; with an object that has only a box, boxes are compared."""
    chance = np.random.default_rng(seed)
    objects = [_random_object(chance) for _ in range(count)]
    others = [_random_object(chance) for _ in range(more)]
    others = [replace(found, mask=None) if chance.random() < 0.5 else found for found in others]
    expected = [
        found
        for found in objects
        if all(
            overlap_one_by_one(found, other, "mask" if other.mask else "box", "iou") <= 0.2
            for other in others
        )
    ]
    assert apart_from(objects, others, 0.2) == tuple(expected)


def _random_object(chance: np.random.Generator) -> Annotation:
    x, y, side_x, side_y = (int(number) for number in chance.integers(1, 40, 4))
    pixels = chance.random((side_y, side_x)) < chance.random()
    return Annotation(
        label=str(chance.choice(["cat", "dog"])),
        box_xyxy=(x, y, x + side_x, y + side_y),
        score=float(chance.random()),
        mask=Mask.from_crop(pixels, (x, y), SIZE),
    )


@hypothesis_settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_shared_pixels_are_counted_exactly(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    first, *others = (_random_object(chance).mask for _ in range(count + 1))
    assert first is not None
    masks = [mask for mask in others if mask is not None]
    assert first.shared(masks).tolist() == [first.intersection(mask).area for mask in masks]


def test_shared_areas_of_boxes() -> None:
    others = np.array([(5, 5, 20, 20), (10, 0, 20, 10), (30, 30, 40, 40), (2, 3, 4.5, 5)], float)
    shared = shared_areas(np.array([0, 0, 10, 10], float), others)
    assert shared.tolist() == [25, 0, 0, 5]


def test_a_thousand_boxes_take_no_time() -> None:
    chance = np.random.default_rng(0)
    corners = chance.random((1000, 2)) * 3000
    objects = [boxed("cat", (x, y, x + 50, y + 50), 0.5) for x, y in corners.tolist()]
    began = time.process_time()
    without_duplicates(objects, 0.5)
    assert time.process_time() - began < 0.5  # ten times what it takes


def test_pixels_are_compared_only_where_boxes_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    shared = Mask.shared

    def counted(mask: Mask, others: Sequence[Mask]) -> NDArray[np.int64]:
        compared.append(len(others))
        return shared(mask, others)

    monkeypatch.setattr(Mask, "shared", counted)
    # The boxes that were found all meet; the boxes of the pixels meet one neighbor each.
    masks = [rectangle(x, 0, x + 6, 6) for x in (0, 5, 40, 45, 80, 85)]
    objects = [outlined("cat", (0, 0, 120, 100), mask) for mask in masks]
    assert without_duplicates(objects, 0.5, by="mask") == tuple(objects)
    assert sum(compared) == 3
