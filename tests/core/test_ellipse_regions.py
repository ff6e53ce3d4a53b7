"""Ellipses of Label Studio: the pixels whose centers lie inside, however they are turned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio import annotations_from_regions, regions_from_annotation

SIZE = (60, 80)


def region(x: float, y: float, across: float, down: float, rotation: float = 0) -> dict[str, Any]:
    """A region from pixels."""
    height, width = SIZE
    value = {
        "x": 100 * x / width,
        "y": 100 * y / height,
        "radiusX": 100 * across / width,
        "radiusY": 100 * down / height,
        "rotation": rotation,
        "ellipselabels": ["cat"],
    }
    size = {"original_width": width, "original_height": height}
    return {"id": "1", "type": "ellipselabels", "value": value, **size}


@pytest.mark.parametrize(
    ("x", "y", "across", "down", "degrees"),
    [(40, 30, 20, 10, 0), (40.5, 30.5, 7, 19, 0), (40, 30, 25, 6, 30), (1, 2, 30, 9, -70)],
)
def test_pixels_of_an_ellipse(
    x: float, y: float, across: float, down: float, degrees: float
) -> None:
    (annotation,) = annotations_from_regions([region(x, y, across, down, degrees)])
    expected = np.zeros(SIZE, bool)
    turn = math.radians(degrees)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            # Turn the pixel's center back, as the screen turned the ellipse: y grows downwards.
            right, below = column + 0.5 - x, row + 0.5 - y
            along = right * math.cos(-turn) - below * math.sin(-turn)
            aside = right * math.sin(-turn) + below * math.cos(-turn)
            expected[row, column] = (along / across) ** 2 + (aside / down) ** 2 <= 1
    assert annotation.mask is not None
    np.testing.assert_array_equal(annotation.mask.to_array(), expected)
    x0, y0, x1, y1 = annotation.box_xyxy
    left, top, right_, bottom = annotation.mask.box_xyxy
    assert x0 <= left + 0.5
    assert y0 <= top + 0.5
    assert x1 >= right_ - 0.5
    assert y1 >= bottom - 0.5


def test_what_is_written_is_read() -> None:
    written = Annotation(label="cat", box_xyxy=(10, 20, 41, 33))
    regions = regions_from_annotation(written, SIZE, controls=("EllipseLabels",))
    (read,) = annotations_from_regions(regions)
    assert (read.label, read.box_xyxy) == ("cat", (10, 20, 41, 33))
    assert read.mask is not None
    assert read.mask.box_xyxy == (10, 20, 41, 33)
    assert read.mask.area == pytest.approx(math.pi * 31 * 13 / 4, rel=0.01)


def test_an_ellipse_without_an_inside_is_broken() -> None:
    with pytest.raises(InvalidMask, match="a width and a height"):
        annotations_from_regions([region(40, 30, 0, 5)])
