"""What decides a result, decides its key; nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from premask.masks import Mask
from premask.prompts import BoxPrompt, Hint, Phrase, Point, Prompts
from premask.recipes.recipe import recipe_of
from premask.recipes.work_keys import WorkKeys

KEYS = WorkKeys(recipe_of("click"))
POINT = Prompts(points=(Point(x=1.0, y=2),))


def mask_with(*pixels: tuple[int, int]) -> Mask:
    array = np.zeros((4, 4), np.bool_)
    for row, column in ((0, 0), (3, 3), *pixels):
        array[row, column] = True
    return Mask.from_array(array)


ONE, OTHER = mask_with((1, 1)), mask_with((2, 2))


@pytest.mark.parametrize(
    "other",
    [
        Prompts(),
        Prompts(points=(Point(x=1.0, y=2.5),)),
        Prompts(points=(Point(x=1.0, y=2, positive=False),)),
        Prompts(points=(Point(x=1.0, y=2, label="cat"),)),
        Prompts(points=(Point(x=1.0, y=2), Point(x=1.0, y=2))),
        Prompts(boxes=(BoxPrompt(box_xyxy=(1, 2, 3, 4)),)),
        Prompts(phrases=(Phrase(text="cat"),)),
        replace(POINT, mask=ONE),
    ],
)
def test_other_prompts_are_other_work(other: Prompts) -> None:
    assert KEYS.key(other) != KEYS.key(POINT)
    assert KEYS.key(other) == KEYS.key(replace(other))


def test_masks_of_the_same_area_in_the_same_box_are_other_work() -> None:
    assert (ONE.area, ONE.box_xyxy) == (OTHER.area, OTHER.box_xyxy)
    assert KEYS.key(Prompts(mask=ONE)) != KEYS.key(Prompts(mask=OTHER))
    one, other = (Prompts(objects=(Hint(label="x", mask=mask),)) for mask in (ONE, OTHER))
    assert KEYS.key(one) != KEYS.key(other)


def test_another_recipe_or_another_setting_is_other_work() -> None:
    grown = WorkKeys(recipe_of("click").with_settings({"refine.grow": 1}))
    assert len({keys.key(POINT) for keys in (KEYS, grown, WorkKeys(recipe_of("trimap")))}) == 3


def test_whatever_else_decides_is_part_of_the_key() -> None:
    keys = [KEYS.key(POINT, *more) for more in ((), ("a",), ("b",), ("a", True), ("a", False))]
    assert len(set(keys)) == len(keys)


def test_a_number_of_numpy_is_a_number() -> None:
    x: Any = np.float32(1)
    assert KEYS.key(Prompts(points=(Point(x=x, y=2),))) == KEYS.key(POINT)


def test_a_field_that_is_added_with_a_default_changes_no_key() -> None:
    @dataclass(frozen=True)
    class Before:
        name: str

    @dataclass(frozen=True)
    class After:
        name: str
        color: str = "red"

    assert KEYS.key(POINT, Before("x")) == KEYS.key(POINT, After("x"))
    assert KEYS.key(POINT, After("x", "blue")) != KEYS.key(POINT, After("x"))


def test_what_could_differ_between_processes_is_refused() -> None:
    with pytest.raises(TypeError, match="object can't be part of a work key"):
        KEYS.key(POINT, object())
