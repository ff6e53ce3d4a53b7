"""Clicks, boxes, strokes and words become prompts, in pixels of the upright image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_backend.project.label_config import parse_label_config
from ml_backend.project.region_prompts import prompts_from_regions, regions_by_image
from premask.annotations import Annotation
from premask.errors import InvalidRequest
from premask.labels.label_studio import regions_from_annotation
from premask.masks import Mask
from premask.prompts import BoxPrompt, Phrase, Point, Prompts
from tests.ml_backend.label_studio_calls import (
    CONFIG,
    Json,
    clicked,
    keypoint,
    rectangle,
    text,
)

SIZE = (64, 96)


def prompts(*regions: Json, size_hw: tuple[int, int] = SIZE) -> Prompts:
    config = parse_label_config(CONFIG)
    (image,) = config.images
    return prompts_from_regions(
        regions_by_image(clicked(*regions), config)[image], size_hw, config, image
    )


def brush(mask: Mask) -> Json:
    annotation = Annotation(label="Dog", box_xyxy=mask.box_xyxy, mask=mask)
    (region,) = regions_from_annotation(annotation, mask.size_hw)
    return {**region, "to_name": "img"}


def test_a_click_is_a_point_and_alt_makes_it_negative() -> None:
    asked = prompts(keypoint(30, 20), keypoint(48, 32, label="Dog", positive=False))
    assert asked == Prompts(
        points=(
            Point(x=30, y=20, label="Cat"),
            Point(x=48, y=32, label="Dog", positive=False),
        )
    )


def test_the_recorded_percentages_are_pixels_of_the_image() -> None:
    click = {**keypoint(0, 0), "original_width": 640, "original_height": 480}
    click["value"] = {**click["value"], "x": 30.955, "y": 40.487}
    (point,) = prompts(click, size_hw=(480, 640)).points
    assert (point.x, point.y) == pytest.approx((198.112, 194.3376))


def test_the_image_counts_and_not_the_size_that_label_studio_believes_in() -> None:
    (point,) = prompts({**keypoint(48, 32), "original_width": 5}, size_hw=(100, 200)).points
    assert (point.x, point.y) == pytest.approx((100, 50))
    (box,) = prompts(rectangle(0, 0, 48, 32), size_hw=(100, 200)).boxes
    assert box.box_xyxy == (0, 0, 100, 50)


def test_a_click_without_its_sign_is_positive() -> None:
    click = keypoint(30, 20)
    del click["is_positive"]
    assert prompts(click).points[0].positive


def test_each_rectangle_is_an_object() -> None:
    asked = prompts(rectangle(10, 5, 20, 15), rectangle(30, 5, 50, 25, label="Dog"))
    assert asked == Prompts(
        boxes=(
            BoxPrompt(box_xyxy=(10, 5, 20, 15), label="Cat"),
            BoxPrompt(box_xyxy=(30, 5, 50, 25), label="Dog"),
        )
    )


def test_a_rectangle_without_an_area_asks_for_nothing() -> None:
    assert prompts(rectangle(10, 5, 10, 5)) == Prompts()


def test_words_have_no_size_and_may_be_several() -> None:
    asked = prompts(text("a red cat", "the dog "), text(" "))
    assert asked.phrases == (
        Phrase(text="a red cat", label="Cat"),
        Phrase(text="the dog", label="Dog"),
    )
    single = text()
    single["value"] = {"text": "one cat"}
    assert prompts(single).phrases == (Phrase(text="one cat", label="Cat"),)


def test_strokes_are_a_rough_mask_pixel_by_pixel() -> None:
    masks = []
    for column in (3, 40):
        array = np.zeros(SIZE, bool)
        array[5:9, column : column + 2] = True
        masks.append(Mask.from_array(array))
    asked = prompts(*map(brush, masks), keypoint(4, 6, label="Dog"))
    assert asked.mask == masks[0].union(masks[1])
    assert asked.mask_label == "Dog"
    assert len(asked.points) == 1


def test_a_stroke_keeps_the_size_that_it_was_drawn_on() -> None:
    mask = Mask.from_array(np.eye(20, dtype=bool))
    asked = prompts(brush(mask))
    assert asked.mask == mask


def test_several_kinds_at_once_are_all_read() -> None:
    asked = prompts(keypoint(30, 20), rectangle(10, 5, 20, 15), text("cat"))
    assert (len(asked.points), len(asked.boxes), len(asked.phrases)) == (1, 1, 1)


def test_regions_are_told_apart_by_their_image() -> None:
    config = parse_label_config(
        '<View><Image name="a" value="$a"/><Image name="b" value="$b"/>'
        '<BrushLabels name="t" toName="a,b"><Label value="Cat"/></BrushLabels></View>'
    )
    on_a, on_b = ({**keypoint(1, 1), "to_name": name} for name in "ab")
    assert regions_by_image(clicked(on_b, on_a, on_b), config) == {"b": [on_b, on_b], "a": [on_a]}


@pytest.mark.parametrize("context", [{}, {"result": []}, {"result": None}])
def test_an_empty_context_has_no_regions(context: Json) -> None:
    assert regions_by_image(context, parse_label_config(CONFIG)) == {}


@pytest.mark.parametrize(
    "value",
    [{}, {"x": "a", "y": 1}, {"x": None, "y": 1}, {"x": 1}],
)
def test_a_point_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="can't be read"):
        prompts({**keypoint(1, 1), "value": value})
