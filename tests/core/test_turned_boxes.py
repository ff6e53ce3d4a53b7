"""The smallest rectangle around a mask, compared with OpenCV's, and as Label Studio turns it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.labels.label_studio import annotations_from_regions, regions_from_annotation
from premask.labels.label_studio.turned_boxes import smallest_box
from premask.masks import Mask
from tests.golden.dataset import adversarial_masks

SIZE = (60, 90)


def bar(degrees: float) -> NDArray[np.bool_]:
    """The pixels of a rectangle of 50 x 10 pixels that is turned clockwise."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    turn = np.radians(degrees)
    along = (x - 45) * np.cos(turn) + (y - 30) * np.sin(turn)
    aside = (y - 30) * np.cos(turn) - (x - 45) * np.sin(turn)
    return np.asarray((abs(along) < 25) & (abs(aside) < 5))


def corners_of(array: NDArray[np.bool_]) -> NDArray[np.float32]:
    """All corners of all pixels."""
    y, x = np.nonzero(array)
    return np.concatenate([np.stack((x + i, y + j), 1) for i in (0, 1) for j in (0, 1)]).astype(
        "f4"
    )


@pytest.mark.parametrize("name", adversarial_masks(*SIZE))
def test_no_rectangle_around_a_mask_is_smaller_than_opencvs(name: str) -> None:
    array = adversarial_masks(*SIZE)[name]
    if array.any():
        _, sides, _ = smallest_box(Mask.from_array(array))
        _, wanted, _ = cv2.minAreaRect(corners_of(array))
        assert np.prod(sides) == pytest.approx(np.prod(wanted), rel=1e-4)


@pytest.mark.parametrize("degrees", [0, 12, 45, 80, 90, 133, 170])
def test_a_turned_rectangle_is_written_as_label_studio_turns_it(degrees: float) -> None:
    mask = Mask.from_array(bar(degrees))
    annotation = Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask)
    (region,) = regions_from_annotation(annotation, SIZE, controls=["RectangleLabels"], turned=True)
    turn = region["value"]["rotation"]
    assert 0 <= turn < 45 or 315 <= turn < 360
    assert (turn - degrees + 45) % 90 - 45 == pytest.approx(0, abs=2)
    (read,) = annotations_from_regions([region])
    if degrees % 90:
        assert read.mask is not None
        assert read.mask.iou(mask) > 0.85
        # pycocotools leaves out pixels whose centers an edge just misses.
        assert mask.difference(read.mask).area < 0.03 * mask.area
    else:
        assert (read.box_xyxy, read.mask) == (mask.box_xyxy, None)


def test_what_has_no_mask_stays_upright() -> None:
    box = Annotation(label="a", box_xyxy=(1, 2, 30, 40))
    given = regions_from_annotation(box, SIZE, controls=["RectangleLabels"], turned=True)
    assert annotations_from_regions(given) == (box,)
