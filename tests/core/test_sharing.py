"""Soft edges of objects that meet: two people side by side don't get each other's hair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from premask.geometry import grow_box, pixel_box
from premask.masks import Alpha, Mask
from premask.shaping.morphology import grow, shrink
from premask.shaping.sharing import Claim, Territory, settled, territories

SIZE_HW = (48, 64)
WHOLE = (0, 0, SIZE_HW[1], SIZE_HW[0])


def square(x0: int, y0: int, x1: int, y1: int) -> Mask:
    pixels = np.zeros(SIZE_HW, np.bool_)
    pixels[y0:y1, x0:x1] = True
    return Mask.from_array(pixels)


def shared(
    masks: list[Mask], alphas: list[Alpha], radius: int, *, by_distance: bool
) -> list[NDArray[np.int64]]:
    """The alphas (height, width) of objects that claim pixels of the whole image."""
    claims = [Claim(alpha=alpha, box_xyxy=WHOLE) for alpha in alphas]
    grounds = territories(masks, [radius] * len(masks))
    return [alpha.astype(np.int64) for alpha in settled(claims, grounds, by_distance=by_distance)]


def everywhere(alpha: int) -> Alpha:
    return np.full(SIZE_HW, alpha, np.uint8)


LEFT, RIGHT = square(8, 8, 32, 40), square(32, 8, 56, 40)


def test_a_seam_is_a_soft_step_without_a_gap() -> None:
    """A model that takes both for one thing gives all of their pixels 255."""
    left, right = shared([LEFT, RIGHT], [everywhere(255)] * 2, 6, by_distance=True)
    assert left[24, 28:36].tolist() == [255, 255, 255, 191, 64, 0, 0, 0]
    assert np.array_equal((left + right)[8:40, 8:56], np.full((32, 48), 255))


def test_hair_belongs_to_the_nearer_head() -> None:
    """It is soft, in neither mask, and in the reach of both; 100 and 100 are less than 255."""
    left, right = shared([LEFT, RIGHT], [everywhere(100)] * 2, 6, by_distance=True)
    above = slice(2, 8)
    assert not left[above, 34:].any()
    assert not right[above, :30].any()
    assert (left[above, 20:30] == 100).sum() == (right[above, 34:44] == 100).sum() > 30


def test_models_that_know_the_object_are_believed_until_it_is_too_much() -> None:
    strand = square(34, 4, 36, 7).to_array()
    left_claim = np.where(strand, np.uint8(150), LEFT.to_array() * np.uint8(255))
    right_claim = RIGHT.to_array() * np.uint8(255)
    left, right = shared([LEFT, RIGHT], [left_claim, right_claim], 6, by_distance=False)
    assert np.array_equal(left, left_claim)
    assert np.array_equal(right, right_claim)
    left, right = shared([LEFT, RIGHT], [everywhere(200), everywhere(100)], 6, by_distance=False)
    assert (left[24, 32], right[24, 32]) == (170, 85)


def test_masks_that_overlap_a_little_part_in_the_middle() -> None:
    one, other = square(8, 8, 36, 40), square(28, 8, 56, 40)
    left, right = shared([one, other], [everywhere(255)] * 2, 6, by_distance=True)
    assert (left[24, 20:32] >= 128).all()
    assert (right[24, 32:44] >= 128).all()
    assert np.array_equal((left + right)[8:40, 8:56], np.full((32, 48), 255))


def test_a_part_keeps_its_pixels_and_so_does_the_whole() -> None:
    person, hat = square(8, 8, 56, 40), square(20, 6, 40, 16)
    whole, part = shared([person, hat], [everywhere(255)] * 2, 3, by_distance=True)
    assert np.array_equal(whole == 255, grow(person, 3).to_array())
    assert np.array_equal(part == 255, grow(hat, 3).to_array())


def test_what_is_far_from_others_is_alone() -> None:
    far = [square(2, 2, 12, 12), square(40, 30, 60, 44)]
    grounds = territories(far, [3, 3])
    assert [ground.rivals for ground in grounds] == [(), ()]
    assert [ground.reach for ground in grounds] == [grow(mask, 3) for mask in far]


def test_an_object_that_others_cover_together_is_not_lost() -> None:
    top, bottom = square(8, 4, 56, 18), square(8, 26, 56, 44)
    covered = square(20, 8, 44, 36)
    grounds = territories([top, bottom, covered], [2] * 3)
    assert grounds[2].own == square(20, 18, 44, 26)
    alphas = shared([top, bottom, covered], [everywhere(255)] * 3, 2, by_distance=True)
    assert (alphas[2] >= 128).sum() > 100


def test_claims_count_where_they_lie_in_the_image() -> None:
    boxes = [pixel_box(grow_box(mask.box_xyxy, 8), SIZE_HW) for mask in (LEFT, RIGHT)]
    claims = [
        Claim(alpha=np.full((y1 - y0, x1 - x0), 255, np.uint8), box_xyxy=(x0, y0, x1, y1))
        for x0, y0, x1, y1 in boxes
    ]
    in_boxes = settled(claims, territories([LEFT, RIGHT], [6, 6]), by_distance=True)
    on_image = shared([LEFT, RIGHT], [everywhere(255)] * 2, 6, by_distance=True)
    for alpha, whole, (x0, y0, x1, y1) in zip(in_boxes, on_image, boxes, strict=True):
        assert np.array_equal(alpha, whole[y0:y1, x0:x1])


corners = st.tuples(
    st.integers(0, 50), st.integers(0, 36), st.integers(3, 30), st.integers(3, 30)
).map(lambda c: square(c[0], c[1], c[0] + c[2], c[1] + c[3]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(corners, min_size=2, max_size=5, unique=True), st.integers(0, 9), st.integers(0, 999)
)
@pytest.mark.parametrize("by_distance", [True, False])
def test_alphas_are_exact_beyond_the_band_and_never_add_up_to_more_than_one(
    by_distance: bool, masks: list[Mask], radius: int, seed: int
) -> None:
    numbers = np.random.default_rng(seed)
    alphas = [numbers.integers(0, 256, SIZE_HW).astype(np.uint8) for _ in masks]
    grounds = territories(masks, [radius] * len(masks))
    results = shared(masks, alphas, radius, by_distance=by_distance)
    for ground, alpha, mask in zip(grounds, results, masks, strict=True):
        assert (alpha[shrink(ground.own, radius).to_array()] == 255).all()
        assert not alpha[~grow(mask, radius).to_array()].any()
    for one, other in combinations(range(len(masks)), 2):
        if other in grounds[one].rivals:
            together = results[one] + results[other]
            assert together.max() <= 255, (grounds[one], grounds[other])
    for crowd in _all_rivals(grounds):
        assert np.sum([results[number] for number in crowd], axis=0).max() <= 255


def _all_rivals(grounds: list[Territory]) -> list[tuple[int, ...]]:
    """Threes of objects that are all each other's rivals."""
    return [
        three
        for three in combinations(range(len(grounds)), 3)
        if all(other in grounds[one].rivals for one, other in combinations(three, 2))
    ]
