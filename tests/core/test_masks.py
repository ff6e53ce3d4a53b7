"""Mask and Matte: they are equal when their pixels are, and keep every one of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask.errors import InvalidMask
from premask.masks import Mask, Matte
from premask.shaping.morphology import grow

Pixels = NDArray[np.bool_]

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)
PIXELS = arrays.arrays(np.bool_, SHAPES)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(*[arrays.arrays(np.bool_, shape)] * 2))
ALPHAS = arrays.arrays(np.uint8, SHAPES)

CORNER = np.array([[0, 1, 1], [0, 0, 1]], np.bool_)


@settings(deadline=None)
@given(PIXELS)
def test_a_mask_gives_back_its_pixels(pixels: Pixels) -> None:
    mask = Mask.from_array(pixels)
    np.testing.assert_array_equal(mask.to_array(), pixels)
    np.testing.assert_array_equal(coco_mask.decode(mask.rle), pixels)


@settings(deadline=None)
@given(PAIRS)
def test_masks_are_equal_exactly_when_their_pixels_are(pair: tuple[Pixels, Pixels]) -> None:
    one, other = Mask.from_array(pair[0]), Mask.from_array(pair[1])
    assert (one == other) == np.array_equal(*pair)
    assert one == Mask.from_array(pair[0].astype(float) * 0.5)
    assert hash(one) == hash(Mask.from_rle(one.rle))


@pytest.mark.parametrize(
    "data",
    [
        {"size": [2, 3], "counts": "2111"},
        {"size": [2, 3], "counts": b"2111"},
        {"size": (2, 3), "counts": [2, 1, 1, 2]},
        {"size": [2, 3], "counts": [0, 0, 2, 1, 0, 0, 1, 0, 0, 2]},
    ],
)
def test_every_form_of_an_rle_is_the_same_mask(data: dict[str, Any]) -> None:
    assert Mask.from_rle(data) == Mask.from_array(CORNER)


@settings(deadline=None)
@given(PAIRS)
def test_set_arithmetic_is_numpy_s(pair: tuple[Pixels, Pixels]) -> None:
    one, other = Mask.from_array(pair[0]), Mask.from_array(pair[1])
    both, either = pair[0] & pair[1], pair[0] | pair[1]
    assert one.intersection(other) == Mask.from_array(both)
    assert one.union(other) == Mask.from_array(either)
    assert one.difference(other) == Mask.from_array(pair[0] & ~pair[1])
    assert one.inverted() == Mask.from_array(~pair[0])
    assert one.area == pair[0].sum()
    assert one.iou(other) == both.sum() / max(1, either.sum())


@settings(deadline=None)
@given(PIXELS, st.tuples(*[st.integers(-4, 16)] * 4))
def test_a_crop_goes_beyond_the_image(pixels: Pixels, box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = min(box[0], box[2]), min(box[1], box[3]), max(box[::2]), max(box[1::2])
    padded = np.pad(pixels, 20)
    expected = padded[y0 + 20 : y1 + 20, x0 + 20 : x1 + 20]
    np.testing.assert_array_equal(Mask.from_array(pixels).crop((x0, y0, x1, y1)), expected)
    matte = Matte.from_array(pixels.astype(np.uint8) * 99)
    np.testing.assert_array_equal(matte.crop((x0, y0, x1, y1)), expected * np.uint8(99))


def test_the_box_of_a_mask_is_tight() -> None:
    assert Mask.from_array(CORNER).box_xyxy == (1, 0, 3, 2)
    assert Mask.empty((5, 6)).box_xyxy == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "must be"),
        ("2111", "must be"),
        ({"size": [2], "counts": "2111"}, "must be"),
        ({"size": [2, 3], "counts": "\u00e9"}, "must be"),
        ({"size": [2, 3], "counts": None}, "whole numbers"),
        ({"size": [2, 3], "counts": [1.5, 5.0]}, "whole numbers"),
        ({"size": [2, 3], "counts": [[1, 2], [3]]}, "must be"),
        ({"size": [2, float("inf")], "counts": [6]}, "must be"),
        ({"size": [2, 3], "counts": [2**70]}, "whole numbers"),
        ({"size": [2, 4], "counts": "2111"}, "covers 6 pixels"),
    ],
)
def test_what_is_no_rle_says_why(data: Any, reason: str) -> None:
    with pytest.raises(InvalidMask, match=reason):
        Mask.from_rle(data)


def test_impossible_masks_say_why() -> None:
    with pytest.raises(InvalidMask, match="two dimensions"):
        Mask.from_array(np.zeros((2, 3, 4)))
    with pytest.raises(InvalidMask, match="at least 1 x 1"):
        Mask.from_array(np.zeros((0, 3)))
    with pytest.raises(InvalidMask, match="does not lie on"):
        Mask.from_crop(CORNER, (1, 0), (2, 3))
    with pytest.raises(InvalidMask, match="different sizes"):
        Mask.from_array(CORNER).union(Mask.empty((3, 2)))


@settings(deadline=None)
@given(ALPHAS)
def test_a_matte_is_its_eight_planes(alpha: NDArray[np.uint8]) -> None:
    matte = Matte.from_array(alpha)
    np.testing.assert_array_equal(matte.to_array(), alpha)
    summed = sum(plane.to_array() * 2**bit for bit, plane in enumerate(matte.planes))
    np.testing.assert_array_equal(summed, alpha)
    assert Matte.from_planes(matte.planes) == matte


@settings(deadline=None)
@given(ALPHAS, st.integers(1, 255))
def test_the_mask_of_a_matte_is_what_reaches_the_threshold(
    alpha: NDArray[np.uint8], threshold: int
) -> None:
    matte = Matte.from_array(alpha)
    assert matte.mask(threshold) == Mask.from_array(alpha >= threshold)
    assert matte.mask() == Mask.from_array(alpha >= 128)


def test_mattes_are_equal_when_their_pixels_are() -> None:
    alpha = np.array([[0, 9, 0], [0, 7, 200]], np.uint8)
    matte, cropped = Matte.from_array(alpha), Matte.from_crop(alpha[:, 1:], (1, 0), (2, 3))
    assert matte == cropped
    assert hash(matte) == hash(cropped)
    assert matte != Matte.from_crop(alpha[:, 1:], (0, 0), (2, 3))
    assert matte != Matte.from_crop(alpha[:, 1:], (1, 0), (2, 4))
    assert matte.box_xyxy == (1, 0, 3, 2)


def test_a_matte_keeps_nothing_that_others_may_change() -> None:
    alpha = np.full((2, 2), 50, np.uint8)
    matte = Matte.from_array(alpha)
    alpha[:] = 0
    matte.crop()[:] = 0
    assert matte.to_array().min() == 50


def test_impossible_mattes_say_why() -> None:
    with pytest.raises(InvalidMask, match="uint8"):
        Matte.from_array(np.zeros((2, 3)))
    with pytest.raises(InvalidMask, match="two dimensions"):
        Matte.from_array(np.zeros(3, np.uint8))
    with pytest.raises(InvalidMask, match="at least 1 x 1"):
        Matte.from_array(np.zeros((0, 3), np.uint8))
    with pytest.raises(InvalidMask, match="does not lie on"):
        Matte.from_crop(np.zeros((2, 3), np.uint8), (0, 1), (2, 3))
    with pytest.raises(InvalidMask, match="eight bit planes"):
        Matte.from_planes([Mask.empty((2, 3))] * 7)
    with pytest.raises(InvalidMask, match="of one size"):
        Matte.from_planes([*[Mask.empty((2, 3))] * 7, Mask.empty((3, 2))])


def test_a_hundred_objects_in_a_large_image_stay_small() -> None:
    """As arrays they would take 1.2 GB; while one is grown, only its crop is an array."""
    rows, columns = np.ogrid[-150:150, -150:150]
    disc = rows**2 + columns**2 < 150**2
    tracemalloc.start()
    masks = [Mask.from_crop(disc, (37 * i, 25 * i), (3000, 4096)) for i in range(100)]
    grown = [grow(mask, 20) for mask in masks]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(after.area > before.area for before, after in zip(masks, grown, strict=True))
    assert peak < 20e6
