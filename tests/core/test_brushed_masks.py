"""A stroke of FiftyOne's brush changes what was painted, and nothing else of the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.labels.fiftyone import (
    annotation_from_detection,
    detection_from_annotation,
    original_of,
)
from premask.masks import Mask

SIZE = (601, 803)
BOX = (100, 51, 601, 452)


@pytest.fixture
def mask() -> Mask:
    """A disc that fills the box, with an edge that is rough by a few pixels."""
    x0, y0, x1, y1 = BOX
    rows, columns = np.mgrid[: y1 - y0, : x1 - x0]
    away = ((rows - 200) / 200) ** 2 + ((columns - 250) / 250) ** 2
    rough = np.random.default_rng(0).random(away.shape) < 0.5
    pixels = (away <= 0.97) | ((away <= 1.03) & rough)
    pixels[[0, -1], 250] = pixels[200, [0, -1]] = True
    return Mask.from_crop(pixels, (x0, y0), SIZE)


def on_screen(fields: dict[str, Any], scale: float) -> dict[str, Any]:
    """What FiftyOne 1.22's brush makes of a label before the first stroke: `MaskCanvas` there."""
    view = np.array([SIZE[1], SIZE[0]]) * scale
    x, y, w, h = fields["bounding_box"]
    left, top = round(x * view[0]), round(y * view[1])
    width, height = round(w * view[0]), round(h * view[1])
    image = PIL.Image.fromarray(np.asarray(fields["mask"]))
    cells = np.asarray(image.resize((width, height), PIL.Image.Resampling.NEAREST))
    box = [left / view[0], top / view[1], width / view[0], height / view[1]]
    return fields | {"mask": cells.copy(), "bounding_box": box}


def written(mask: Mask) -> dict[str, Any]:
    annotation = Annotation(label="disc", box_xyxy=mask.box_xyxy, mask=mask)
    return detection_from_annotation(annotation, SIZE) | original_of(mask)


def read(fields: dict[str, Any]) -> NDArray[np.bool_]:
    mask = annotation_from_detection(fields, SIZE).mask
    assert mask is not None
    return mask.to_array()


@pytest.mark.parametrize("scale", [0.2, 0.31, 0.8, 0.99, 1.2, 1.5625, 3])
def test_what_nobody_painted_is_exact(mask: Mask, scale: float) -> None:
    brushed = on_screen(written(mask), scale)
    assert (read(brushed) == mask.to_array()).all()
    if scale < 0.9:  # without the original, it would be the mask on the screen
        assert (read({**brushed, "premask_mask": None}) != mask.to_array()).sum() > 1000


@pytest.mark.parametrize("scale", [0.2, 0.8, 1.5625])
@pytest.mark.parametrize("value", [True, False])
def test_a_stroke_is_there_and_all_else_as_before(mask: Mask, scale: float, value: bool) -> None:
    brushed = on_screen(written(mask), scale)
    cells = brushed["mask"]
    rows, columns = slice(0, cells.shape[0] // 3), slice(0, cells.shape[1] // 3)
    cells[rows, columns] = value
    changed, before = read(brushed), mask.to_array()
    x0, y0 = BOX[0], BOX[1]
    far, near = int(3.5 / scale) + 2, int(1.5 / scale) + 1
    height, width = int(rows.stop / scale), int(columns.stop / scale)
    inside = changed[y0 + near : y0 + height - near, x0 + near : x0 + width - near]
    assert (inside == value).all()
    changed[: y0 + height + far, : x0 + width + far] = False
    before[: y0 + height + far, : x0 + width + far] = False
    assert (changed == before).all()


def test_a_mask_that_is_painted_larger_or_cropped_keeps_its_pixels(mask: Mask) -> None:
    brushed = on_screen(written(mask), 0.2)
    x, y, w, h = brushed["bounding_box"]
    cell = 1 / (SIZE[1] * 0.2)
    # Four columns of cells on the left, painted; the lower half erased, and cropped away.
    half = brushed["mask"].shape[0] // 2
    cells = np.pad(brushed["mask"][:half], ((0, 0), (4, 0)), constant_values=True)
    larger = brushed | {"mask": cells, "bounding_box": [x - 4 * cell, y, w + 4 * cell, h / 2]}
    got, before = read(larger), mask.to_array()
    assert got[60:200, 82:98].all()
    assert not got[51 + half * 5 + 8 :].any()
    assert (got[51:230, 120:] == before[51:230, 120:]).all()


def test_a_moved_label_gets_no_pixels_from_where_it_was(mask: Mask) -> None:
    brushed = on_screen(written(mask), 0.2)
    x, y, w, h = brushed["bounding_box"]
    moved = brushed | {"bounding_box": [x + 0.1, y, w, h]}
    assert (read(moved) == read({**moved, "premask_mask": None})).all()


def test_an_untouched_or_replaced_mask_is_read_as_it_is(mask: Mask) -> None:
    fields = written(mask)
    other = fields | {"mask": ~np.asarray(fields["mask"])}
    assert (read(fields) == mask.to_array()).all()
    x0, y0, x1, y1 = BOX
    assert (read(other)[y0:y1, x0:x1] != mask.to_array()[y0:y1, x0:x1]).all()


def test_a_mask_with_a_very_long_rle_is_written_without_it() -> None:
    noise = Mask.from_array(np.random.default_rng(0).random((700, 700)) < 0.5)
    assert original_of(noise) == {}
    assert original_of(None) == {}
