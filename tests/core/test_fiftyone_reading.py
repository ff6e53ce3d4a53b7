"""Polygons, class maps, heatmaps and keypoints mean what they mean in FiftyOne."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.labels.fiftyone import (
    annotation_from_polyline,
    annotations_from_class_map,
    matte_from_heatmap,
    points_from_keypoint,
    with_mattes,
)
from premask.masks import Mask, Matte
from premask.shaping.maps import alpha_map

SIZE = (20, 30)


def square(x0: int, y0: int, x1: int, y1: int) -> list[tuple[float, float]]:
    height, width = SIZE
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    return [(x / width, y / height) for x, y in corners]


def polyline(*shapes: Any, **fields: Any) -> dict[str, Any]:
    return {"label": "cat", "points": list(shapes), **fields}


@pytest.mark.parametrize("kind", ["filled", "closed"])
def test_a_shape_inside_another_one_is_a_hole(kind: str) -> None:
    fields = polyline(
        square(2, 3, 20, 15), square(5, 6, 9, 9), square(22, 1, 25, 4), **{kind: True}
    )
    pixels = np.zeros(SIZE, np.bool_)
    pixels[3:15, 2:20], pixels[6:9, 5:9], pixels[1:4, 22:25] = True, False, True
    read = annotation_from_polyline(fields | {"confidence": 0.5, "index": 3}, SIZE)
    assert read.mask == Mask.from_array(pixels)
    assert (read.label, read.box_xyxy, read.score, read.track) == ("cat", (2, 1, 25, 15), 0.5, 3)


def test_an_open_line_has_a_box_and_no_pixels() -> None:
    read = annotation_from_polyline(polyline(square(2, 3, 20, 15)), SIZE)
    assert (read.box_xyxy, read.mask) == ((2, 3, 20, 15), None)


def test_what_encloses_nothing_has_no_pixel() -> None:
    line = [(0.1, 0.1), (0.5, 0.5)]
    assert annotation_from_polyline(polyline(line, filled=True), SIZE).mask == Mask.empty(SIZE)
    assert annotation_from_polyline(polyline(filled=True), SIZE).mask == Mask.empty(SIZE)


def test_values_without_a_target_are_nothing_unless_there_are_no_targets() -> None:
    index = np.zeros(SIZE, np.uint16)
    index[2:4, 5:9], index[6:, 6:] = 300, 7
    named = annotations_from_class_map(index, {"300": "sky"}, SIZE)
    assert [(found.label, found.mask) for found in named] == [
        ("sky", Mask.from_array(index == 300))
    ]
    assert [found.label for found in annotations_from_class_map(index, {}, SIZE)] == ["7", "300"]


def test_a_small_class_map_lies_stretched_over_its_image() -> None:
    small = np.array([[0, 4, 0], [0, 0, 0]], np.uint8)
    (read,) = annotations_from_class_map(small, {}, SIZE)
    assert read.mask == Mask.from_array(np.kron(small, np.ones((10, 10), np.uint8)))


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        (np.array([[0, 51], [128, 255]], np.uint8), None),
        (np.array([[0, 51], [128, 255]], np.uint8), [0, 255]),
        (np.array([[0, 51], [128, 255]], np.uint16) * 257, None),
        (np.array([[0, 51], [128, 255]], np.float32) / 255, None),
        (np.array([[-1, -0.6], [0.00392, 1]], np.float64), [-1, 1]),
        (np.array([[np.nan, 51], [128, 900]], np.float64), [0, 255]),
    ],
)
def test_a_heatmaps_range_becomes_0_to_255(values: NDArray[Any], limits: Any) -> None:
    alpha = matte_from_heatmap(values, limits, (2, 2)).to_array()
    np.testing.assert_array_equal(alpha, [[0, 51], [128, 255]])


def test_points_that_are_missing_are_no_clicks() -> None:
    fields = {"label": None, "points": [(0.5, 0.5), (float("nan"), 0.1), (0.1, 0.1)]}
    points = points_from_keypoint(fields, SIZE)
    assert [(point.x, point.y, point.label) for point in points] == [(15, 10, ""), (3, 2, "")]


def soft_square(x0: int, fringe: int = 40) -> Annotation:
    """A square of 4 pixels that fades out to both sides."""
    alpha = np.zeros(SIZE, np.uint8)
    alpha[5:9, x0 - 2 : x0 + 6], alpha[5:9, x0 : x0 + 4] = fringe, 200
    matte = Matte.from_array(alpha)
    mask = matte.mask()
    return Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask, matte=matte)


def without_mattes(*annotations: Annotation) -> list[Annotation]:
    return [
        Annotation(label=found.label, box_xyxy=found.box_xyxy, mask=found.mask)
        for found in annotations
    ]


def test_each_mask_gets_the_alpha_around_it() -> None:
    annotations = soft_square(5), soft_square(13)
    alpha = Matte.from_array(alpha_map(annotations, SIZE))
    assert with_mattes(without_mattes(*annotations), alpha) == annotations


def test_where_masks_overlap_both_have_the_alpha() -> None:
    first, second = soft_square(5), soft_square(7)
    alpha = Matte.from_array(alpha_map((first, second), SIZE))
    read = with_mattes(without_mattes(first, second), alpha)
    for found in read:
        assert found.matte is not None
        assert found.matte.mask() == found.mask
    assert read[0].matte != read[1].matte


def test_any_threshold_of_the_alpha_is_its_mask() -> None:
    soft = soft_square(5)
    assert soft.matte is not None
    wide = soft.matte.mask(30)
    (read,) = with_mattes([Annotation(label="a", box_xyxy=wide.box_xyxy, mask=wide)], soft.matte)
    assert read.matte == soft.matte


def test_a_mask_that_no_threshold_makes_has_no_matte() -> None:
    soft, box = soft_square(5), Annotation(label="box", box_xyxy=(0, 0, 3, 3))
    changed = Mask.from_crop(np.ones((4, 5), np.bool_), (5, 5), SIZE)
    annotations = (Annotation(label="a", box_xyxy=changed.box_xyxy, mask=changed), box)
    assert soft.matte is not None
    assert with_mattes(annotations, soft.matte) == annotations
    assert with_mattes((box,), soft.matte) == (box,)
