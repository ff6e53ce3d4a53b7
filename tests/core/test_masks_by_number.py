"""A map of numbers -> masks: the same as comparing the map with one number after another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.masks import Mask, masks_by_number

Map = NDArray[np.integer]

MAPS = arrays.arrays(
    st.sampled_from([np.uint8, np.int32, np.int64]),
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.integers(0, 4),
)
STRIPES = np.repeat(np.arange(7, dtype=np.uint16)[None] % 2, 5, axis=0)


@settings(deadline=None)
@given(MAPS)
@example(STRIPES)
@example(STRIPES.T)
@example(np.zeros((1, 1), np.uint8))
@example(np.array([[-3, 70000], [70000, -3]], np.int32))
def test_each_mask_is_its_numbers_pixels(numbers: Map) -> None:
    expected = {value: Mask.from_array(numbers == value) for value in np.unique(numbers).tolist()}
    assert masks_by_number(numbers) == expected
    assert list(masks_by_number(numbers)) == list(expected)


def test_a_map_may_be_a_part_of_a_larger_one() -> None:
    numbers = np.arange(48).reshape(6, 8)[::-2, 1::3] // 5
    assert masks_by_number(numbers) == masks_by_number(numbers.copy())


def test_only_what_is_wanted_is_made() -> None:
    numbers = np.array([[1, 2, 3], [3, 3, 1]])
    assert list(masks_by_number(numbers, {1, 3, 9})) == [1, 3]


def test_a_map_without_pixels_is_refused() -> None:
    with pytest.raises(InvalidMask, match="at least 1 x 1"):
        masks_by_number(np.zeros((0, 5), np.uint8))
