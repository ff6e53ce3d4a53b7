"""COCO's run lengths: the same as pycocotools', pixel by pixel, whatever the crop."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask import rle
from premask.errors import InvalidMask
from premask.geometry import MAX_PIXELS
from premask.masks import Mask

Pixels = NDArray[np.bool_]

PIXELS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=24))
FULL_COLUMNS = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 0]], np.bool_)


def with_pycocotools(pixels: Pixels) -> bytes:
    encoded: dict[str, Any] = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    counts: bytes = encoded["counts"]
    return counts


@settings(deadline=None)
@given(PIXELS)
@example(FULL_COLUMNS)
@example(np.ones((5, 7), np.bool_))
@example(np.zeros((5, 7), np.bool_))
@example(np.arange(2000)[None] % 7 > 2)
@example(np.arange(2000)[:, None] // 300 % 2 == 1)
def test_the_string_is_pycocotools_own(pixels: Pixels) -> None:
    counts = rle.crop_to_counts(pixels, (0, 0), (pixels.shape[0], pixels.shape[1]))
    text = rle.counts_to_string(counts)
    assert text == with_pycocotools(pixels)
    np.testing.assert_array_equal(rle.string_to_counts(text), counts)


@settings(deadline=None)
@given(PIXELS, st.data())
def test_a_crop_lies_where_it_was_put(crop: Pixels, data: st.DataObject) -> None:
    left, top, right, bottom = (data.draw(st.integers(0, 5)) for _ in range(4))
    pixels = np.pad(crop, ((top, bottom), (left, right)))
    size_hw = (pixels.shape[0], pixels.shape[1])
    counts = rle.crop_to_counts(crop, (left, top), size_hw)
    assert rle.counts_to_string(counts) == with_pycocotools(pixels)
    tight, (x, y) = rle.counts_to_crop(counts, size_hw)
    canvas = np.zeros(size_hw, np.bool_)
    canvas[y : y + tight.shape[0], x : x + tight.shape[1]] = tight
    np.testing.assert_array_equal(canvas, pixels)


@settings(deadline=None)
@given(PIXELS)
@example(FULL_COLUMNS)
def test_the_box_is_tight(pixels: Pixels) -> None:
    size_hw = (pixels.shape[0], pixels.shape[1])
    box_xyxy = rle.counts_to_box(rle.crop_to_counts(pixels, (0, 0), size_hw), size_hw)
    y, x = np.nonzero(pixels)
    expected = (x.min(), y.min(), x.max() + 1, y.max() + 1) if len(x) else (0, 0, 0, 0)
    assert box_xyxy == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, MAX_PIXELS), min_size=1, max_size=30))
def test_counts_of_any_length_survive_the_string(counts: list[int]) -> None:
    text = rle.counts_to_string(np.array(counts))
    assert rle.string_to_counts(text).tolist() == counts


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_empty_runs_are_merged(counts: list[int]) -> None:
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    if not pixels.size:
        return
    checked = rle.checked_counts(np.array(counts), (pixels.size, 1))
    assert rle.counts_to_string(checked) == with_pycocotools(pixels[:, None])


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([(1, 1), (3, 5), (40, 50)]))
def test_random_text_is_a_mask_or_an_error(text: bytes, size_hw: tuple[int, int]) -> None:
    try:
        counts = rle.checked_counts(rle.string_to_counts(text), size_hw)
    except InvalidMask:
        return
    assert counts.sum() == size_hw[0] * size_hw[1]
    assert (counts[1:] > 0).all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\x2f", "characters outside"),
        (b"p", "characters outside"),
        ("\u00e9".encode(), "characters outside"),
        (b"1P", "cut off"),
        (b"PPP", "cut off"),
        (b"PPPPPPP0", "35 bits"),
    ],
)
def test_text_that_is_no_rle_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidMask, match=reason):
        rle.string_to_counts(text)


@pytest.mark.parametrize(
    ("counts", "size_hw", "reason"),
    [
        ([], (1, 1), "covers 0 pixels"),
        ([5], (2, 2), "covers 5 pixels"),
        ([5, -1], (2, 2), "run of -1"),
        ([2**62, 2**62, 2**62, 2**62, 4], (2, 2), "covers"),
        ([0], (0, 0), "at least 1 x 1"),
        ([4], (-2, -2), "at least 1 x 1"),
        ([2**40], (2**20, 2**20), "at most 268,435,456"),
    ],
)
def test_counts_that_don_t_fill_their_image_say_why(
    counts: list[int], size_hw: tuple[int, int], reason: str
) -> None:
    with pytest.raises(InvalidMask, match=reason):
        rle.checked_counts(np.array(counts, np.int64), size_hw)


def test_a_small_object_costs_little_in_a_large_image() -> None:
    crop, size_hw = np.ones((30, 40), np.bool_), (16384, 16384)
    tracemalloc.start()
    counts = rle.crop_to_counts(crop, (16000, 15000), size_hw)
    found, xy = rle.counts_to_crop(rle.string_to_counts(rle.counts_to_string(counts)), size_hw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.all()
    assert (found.shape, xy) == ((30, 40), (16000, 15000))
    assert peak < 200_000


@pytest.mark.parametrize(
    ("size_hw", "shortest", "longer"),
    [((2, 4), "44", "T04"), ((2, 4), "44", "4T0"), ((4, 4), "191I2", "191iO2")],
)
def test_a_string_with_idle_digits_is_the_same_mask(
    size_hw: tuple[int, int], shortest: str, longer: str
) -> None:
    """Bytes may differ where the pixels don't, so they are made canonical."""
    masks = [Mask.from_rle({"size": size_hw, "counts": text}) for text in (shortest, longer)]
    assert masks[0] == masks[1]
    assert masks[0].rle["counts"] == shortest
    assert rle.is_shortest(shortest.encode())
    assert not rle.is_shortest(longer.encode())


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**28), min_size=1, max_size=40))
def test_what_we_write_is_the_shortest(counts: list[int]) -> None:
    assert rle.is_shortest(rle.counts_to_string(np.array(counts)))
