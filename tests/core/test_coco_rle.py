"""COCO's segmentations in all forms are read as pycocotools reads them, and written exactly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from premask.errors import InvalidMask
from premask.labels.coco_rle import (
    mask_from_segmentation,
    mask_to_polygons,
    matte_from_planes,
    matte_to_planes,
)
from premask.masks import Mask, Matte

Pixels = NDArray[np.bool_]

PIXELS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=16))
NUMBERS = st.floats(-10, 50, width=32)
POLYGON = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=8).map(
    lambda points: [number for point in points for number in point]
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "matte-in-coco.md"


def rings(size: int) -> Pixels:
    """Squares in squares: holes with islands that have holes."""
    y, x = np.indices((size, size))
    alternating: Pixels = np.maximum(abs(y - size // 2), abs(x - size // 2)) // 2 % 2 == 1
    return alternating


def with_pycocotools(polygons: list[list[float]], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    merged = coco_mask.merge(coco_mask.frPyObjects(polygons, *size_hw))
    pixels: NDArray[np.uint8] = coco_mask.decode(merged)
    return pixels


@settings(deadline=None, max_examples=40)
@given(st.lists(POLYGON, min_size=1, max_size=20))
def test_polygons_are_the_pixels_of_pycocotools(polygons: list[list[float]]) -> None:
    mask = mask_from_segmentation(polygons, (31, 43))
    np.testing.assert_array_equal(mask.to_array(), with_pycocotools(polygons, (31, 43)))


def test_every_one_of_many_polygons_counts() -> None:
    dots = np.zeros((30, 40), np.bool_)
    dots[::2, ::2] = True
    polygons = mask_to_polygons(Mask.from_array(dots))
    assert len(polygons) == 300
    assert mask_from_segmentation(polygons, (30, 40)) == Mask.from_array(dots)


@settings(deadline=None)
@given(PIXELS)
@example(rings(23))
@example(np.ones((3, 4), np.bool_))
@example(np.eye(6, dtype=np.bool_))
@example(~np.eye(6, dtype=np.bool_))
@example(np.pad(rings(9), 3))
def test_polygons_keep_every_pixel_and_every_hole(pixels: Pixels) -> None:
    mask = Mask.from_array(pixels)
    polygons = json.loads(json.dumps(mask_to_polygons(mask)))
    assert mask_from_segmentation(polygons, mask.size_hw) == mask
    if polygons:
        np.testing.assert_array_equal(with_pycocotools(polygons, mask.size_hw), pixels)


@settings(deadline=None)
@given(PIXELS)
@example(rings(23))
def test_a_polygon_is_a_part_that_lies_in_its_mask(pixels: Pixels) -> None:
    parts, count = scipy.ndimage.label(pixels)
    mask = Mask.from_array(pixels)
    found = [mask_from_segmentation([polygon], mask.size_hw) for polygon in mask_to_polygons(mask)]
    expected = [Mask.from_array(parts == number + 1) for number in range(count)]
    assert sorted(part.counts for part in found) == sorted(part.counts for part in expected)


def test_a_polygon_has_only_corners() -> None:
    square = Mask.from_crop(np.ones((30, 20), np.bool_), (7, 5), (100, 100))
    (polygon,) = mask_to_polygons(square)
    assert sorted(zip(polygon[::2], polygon[1::2], strict=True)) == [
        (7.0, 5.0),
        (7.0, 35.0),
        (27.0, 5.0),
        (27.0, 35.0),
    ]


def test_a_hole_is_reached_along_one_vertical_line_inside_the_mask() -> None:
    pixels = np.ones((9, 9), np.bool_)
    pixels[4:6, 3:7] = False
    (polygon,) = mask_to_polygons(Mask.from_array(pixels))
    points = list(zip(polygon[::2], polygon[1::2], strict=True))
    assert (points.count((3.0, 0.0)), points.count((3.0, 4.0))) == (2, 2)
    assert len(points) == 4 + 4 + 3  # two rings, and the bridge there and back


def test_an_empty_mask_has_no_polygons() -> None:
    assert mask_to_polygons(Mask.empty((4, 5))) == []
    assert mask_from_segmentation([], (4, 5)) == Mask.empty((4, 5))


@pytest.mark.parametrize("counts", ["2111", b"2111", [2, 1, 1, 2]])
def test_both_forms_of_rle_are_read(counts: Any) -> None:
    mask = mask_from_segmentation({"size": [2, 3], "counts": counts}, (2, 3))
    assert mask.to_array().tolist() == [[False, True, True], [False, False, True]]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (None, "got NoneType"),
        ("2111", "got str"),
        ({"size": [2, 3], "counts": "2111"}, "image of 3 x 2 pixels, but its image has 50 x 40"),
        ({"counts": "2111"}, "size"),
        ([1, 2, 3, 4, 5], "list of numbers"),
        ([1, 2, 3, 4, 5, [6]], "list of numbers"),
        ([[1, 2, 3, 4, 5]], "list of numbers"),
        ([["a", 2, 3, 4, 5, 6]], "list of numbers"),
        ([[10**400, 2, 3, 4, 5, 6]], "list of numbers"),
        ([[{}]], "list of numbers"),
        ([[1, 2, 3, 4]], "three points"),
        ([[]], "three points"),
        ([[0, 0, 9, 9, 0, 9], [1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "not finite"),
        ([[1, 2, 3, 4, 5, float("inf")]], "not finite"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "16,777,216 pixels around"),
        ([[0, 0, 16000, 16000] * 2000], "16,777,216 pixels around"),
    ],
)
def test_a_broken_segmentation_says_why(segmentation: Any, reason: str) -> None:
    with pytest.raises(InvalidMask, match=reason):
        mask_from_segmentation(segmentation, (40, 50))


def test_a_polygon_may_lie_in_no_list() -> None:
    polygon = [3, 2, 30, 2, 30, 25]
    mask = mask_from_segmentation(polygon, (40, 50))
    assert mask == mask_from_segmentation([polygon], (40, 50))
    assert mask.area > 0


def test_planes_go_through_json() -> None:
    matte = Matte.from_array(soft_disc())
    assert matte_from_planes(json.loads(json.dumps(matte_to_planes(matte)))) == matte


@pytest.mark.parametrize("planes", [5, None, "planes", [1] * 8, [{}] * 8, []])
def test_what_is_no_list_of_planes_is_an_invalid_mask(planes: Any) -> None:
    with pytest.raises(InvalidMask):
        matte_from_planes(planes)


def test_the_documented_lines_read_a_matte_with_pycocotools_alone() -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert "premask" not in lines
    names: dict[str, Any] = {
        "annotation": {"alpha_planes": matte_to_planes(Matte.from_array(soft_disc()))}
    }
    exec(lines, names)
    np.testing.assert_array_equal(names["alpha"], soft_disc())
    assert names["alpha"].dtype == np.uint8


def soft_disc() -> NDArray[np.uint8]:
    y, x = np.indices((60, 80))
    alpha = 255 - 12 * (np.hypot(y - 25, x - 40) - 10)
    return np.asarray(np.clip(alpha, 0, 255), np.uint8)
