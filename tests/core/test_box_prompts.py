"""As many masks as boxes, always: a box that can have none is an error that names it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.prompts import BoxPrompt, Hint, Prompts
from premask.recipes.prompt_check import require_fitting_prompts, require_usable_prompts
from premask.recipes.recipe import recipe_of
from premask.runs.pipeline import Request, label

NAN = float("nan")
GOOD: Box = (10, 10, 60, 50)
ASTRONAUT_HW = (512, 512)


def check(prompts: Prompts) -> None:
    require_usable_prompts(recipe_of("click"), prompts)
    require_fitting_prompts(recipe_of("click"), prompts, ASTRONAUT_HW)


@pytest.mark.parametrize(
    ("box_xyxy", "reason"),
    [
        ((20, 20, 20, 40), "is empty or inside out"),
        ((20, 20, 40, 20), "is empty or inside out"),
        ((40, 20, 20, 40), "is empty or inside out"),
        ((40, 40, 20, 20), "is empty or inside out"),
        ((NAN, 20, 40, 40), "is empty or inside out"),
        ((20, 20, 40, NAN), "is empty or inside out"),
        ((600, 20, 640, 40), "covers no pixel of the image, which is 512 x 512"),
        ((-20, -20, 0, 0), "covers no pixel of the image, which is 512 x 512"),
        ((512, 20, 540, 40), "covers no pixel of the image, which is 512 x 512"),
    ],
)
def test_a_box_that_can_have_no_mask_is_named(
    box_xyxy: Box, reason: str, astronaut: NDArray[np.uint8]
) -> None:
    boxes = (BoxPrompt(box_xyxy=GOOD, label="dog"), BoxPrompt(box_xyxy=box_xyxy, label="cat"))
    shown = ", ".join(f"{side:g}" for side in box_xyxy)
    for prompts in (
        Prompts(boxes=boxes),
        Prompts(objects=tuple(Hint(label=box.label, box_xyxy=box.box_xyxy) for box in boxes)),
    ):
        # In a request of its own, so that the error is the image's.
        (labeled,) = label([Request(image=astronaut, prompts=prompts)], "click")
        assert isinstance(labeled.error, UnsupportedPrompt)
        assert f"box 2 of 2, 'cat' ({shown})" in str(labeled.error)
        assert reason in str(labeled.error)
        assert "dog" not in str(labeled.error)


def test_all_wrong_boxes_are_named_at_once() -> None:
    boxes = [(5, 5, 5, 9), GOOD, (9, 5, 5, 9)]
    with pytest.raises(
        UnsupportedPrompt, match=r"box 1 of 3 \(5, 5, 5, 9\); box 3 of 3 \(9, 5, 5, 9\)"
    ):
        check(Prompts(boxes=tuple(BoxPrompt(box_xyxy=box) for box in boxes)))


SIDES = st.one_of(st.integers(-3, 520).map(float), st.floats(), st.sampled_from([0.0, 512.0]))


@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), min_size=1, max_size=4))
def test_what_is_not_refused_covers_something(boxes: list[Box]) -> None:
    wrong = [
        not (max(x0, 0) < min(x1, 512) and max(y0, 0) < min(y1, 512)) for x0, y0, x1, y1 in boxes
    ]
    wrong = [was or any(np.isnan(box)) for was, box in zip(wrong, boxes, strict=True)]
    try:
        check(Prompts(boxes=tuple(BoxPrompt(box_xyxy=box) for box in boxes)))
    except UnsupportedPrompt:
        assert any(wrong)
    else:
        assert not any(wrong)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 460)] * 2, *[st.integers(30, 50)] * 2), min_size=1, max_size=3
    )
)
def test_as_many_masks_as_boxes(places: list[tuple[int, int, int, int]]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    boxes = tuple(BoxPrompt(box_xyxy=(x, y, x + wide, y + high)) for x, y, wide, high in places)
    # A model may see nothing in a box. Without the setting, that is no result.
    recipe = recipe_of("click").with_settings({"refine.drop_empty": False})
    (labeled,) = label([noise], recipe, prompts=Prompts(boxes=boxes))
    assert len(labeled.annotations) == len(boxes)
