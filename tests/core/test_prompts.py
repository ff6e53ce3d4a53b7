from __future__ import annotations

import numpy as np
import pytest

from premask.errors import UnsupportedPrompt
from premask.masks import Mask
from premask.prompts import BoxPrompt, Point, Prompts

LARGE = BoxPrompt(box_xyxy=(0, 0, 100, 100), label="cat")
SMALL = BoxPrompt(box_xyxy=(10, 10, 20, 20), label="cat")
DOG = BoxPrompt(box_xyxy=(10, 10, 20, 20), label="dog")


def test_each_box_is_an_object() -> None:
    hints = Prompts(boxes=(LARGE, SMALL, DOG)).hints()
    assert [(hint.label, hint.box_xyxy) for hint in hints] == [
        (box.label, box.box_xyxy) for box in (LARGE, SMALL, DOG)
    ]


def test_a_point_belongs_to_the_smallest_box_of_its_label() -> None:
    point = Point(x=15, y=15, label="cat")
    hints = Prompts(boxes=(LARGE, SMALL, DOG), points=(point,)).hints()
    assert [hint.points for hint in hints] == [(), (point,), ()]


def test_points_outside_of_boxes_are_one_object_a_label() -> None:
    cats = (Point(x=1, y=1, label="cat"), Point(x=3, y=3, positive=False, label="cat"))
    dog = Point(x=2, y=2, label="dog")
    hints = Prompts(points=(cats[0], dog, cats[1])).hints()
    assert [(hint.label, hint.points) for hint in hints] == [("cat", cats), ("dog", (dog,))]


def test_a_negative_point_beside_the_boxes_is_told_to_each_of_its_label() -> None:
    beside = Point(x=500, y=5, positive=False, label="cat")
    hints = Prompts(boxes=(LARGE, SMALL, DOG), points=(beside,)).hints()
    assert [hint.points for hint in hints] == [(beside,), (beside,), ()]


def test_only_negative_points_are_refused() -> None:
    with pytest.raises(UnsupportedPrompt, match="Add a positive point"):
        Prompts(points=(Point(x=1, y=1, positive=False),)).hints()


def test_a_rough_mask_goes_with_the_points_of_its_object() -> None:
    mask = Mask.from_array(np.eye(9))
    away = Point(x=1, y=1, positive=False)
    (hint,) = Prompts(mask=mask, points=(away,)).hints()
    assert (hint.mask, hint.points) == (mask, (away,))
    with pytest.raises(UnsupportedPrompt, match="describe 2"):
        Prompts(mask=mask, boxes=(LARGE, DOG)).hints()
