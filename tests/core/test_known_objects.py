"""Objects that are known already go through the stages, and are recognized afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.errors import InvalidRecipe, UnsupportedPrompt
from premask.images import Image
from premask.labels.fiftyone import points_from_keypoint
from premask.masks import Mask
from premask.prompts import Hint, Prompts
from premask.recipes.recipe import Recipe, recipes_from_file
from premask.runs.pipeline import Request, label
from premask.shaping.morphology import grow
from premask.shaping.refine import Refine
from premask.shaping.select import Select

SIZE = (40, 50)


def block(x0: int, y0: int, x1: int, y1: int) -> Mask:
    pixels = np.zeros(SIZE, np.bool_)
    pixels[y0:y1, x0:x1] = True
    return Mask.from_array(pixels)


def hint(mask: Mask, track: int) -> Hint:
    return Hint(label="cat", box_xyxy=mask.box_xyxy, mask=mask, score=0.5, track=track)


def test_without_models_no_pixels_are_needed() -> None:
    small, large = block(1, 1, 4, 4), block(20, 10, 40, 30)
    recipe = Recipe(name="pure", select=Select(sort="area", top=1), refine=Refine(grow=2))
    prompts = Prompts(objects=(hint(small, 0), hint(large, 1)))
    request = Request(image=Image(name="gone.png", size_hw=SIZE), prompts=prompts)
    (labeled,) = label([request], recipe)
    (only,) = labeled.annotations
    assert (only.track, only.mask, only.score) == (1, grow(large, 2), 0.5)


def test_a_mask_is_cut_off_at_the_box_that_was_found_and_its_box_fits_it() -> None:
    """The outline may stick out of the box, and so may what it grows to."""
    found = Hint(label="cat", box_xyxy=(8, 8, 30, 30), mask=block(5, 10, 20, 20))
    image = Image(name="gone.png", size_hw=SIZE)
    for pixels, box in ((0, (8, 10, 20, 20)), (5, (8, 8, 25, 25))):
        recipe = Recipe(name="pure", refine=Refine(grow=pixels, inside_box=True))
        (labeled,) = label([Request(image=image, prompts=Prompts(objects=(found,)))], recipe)
        (only,) = labeled.annotations
        assert only.mask is not None
        assert only.box_xyxy == only.mask.box_xyxy == box


def test_many_rough_masks_in_one_image() -> None:
    """A person draws one rough mask in an image; of known objects every one may have a mask."""
    rough = (block(2, 2, 20, 30), block(25, 5, 45, 35))
    objects = tuple(hint(mask, 7 + place) for place, mask in enumerate(rough))
    rgb = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    (labeled,) = label([rgb], "click", prompts=Prompts(objects=objects))
    assert labeled.error is None
    assert [found.track for found in labeled.annotations] == [7, 8]


def test_a_rough_mask_of_another_size_is_refused() -> None:
    rgb = np.zeros((10, 10, 3), np.uint8)
    prompts = Prompts(objects=(hint(block(1, 1, 4, 4), 0),))
    (labeled,) = label([rgb], "click", prompts=prompts)
    with pytest.raises(UnsupportedPrompt, match="The rough mask has"):
        raise labeled.error or AssertionError


def test_a_recipe_that_finds_has_no_use_for_known_objects(astronaut: NDArray[np.uint8]) -> None:
    prompts = Prompts(objects=(Hint(label="cat", box_xyxy=(1, 1, 4, 4)),))
    (labeled,) = label([Request(image=astronaut, prompts=prompts)], "faces")
    assert "finds its objects itself" in str(labeled.error)


def test_a_recipe_file_names_a_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("recipes") / "mine.toml"
    path.write_text("[pure]\nrefine = { grow = 1 }\n")
    with pytest.raises(InvalidRecipe, match="at least one of find, outline and matte"):
        recipes_from_file(path)


def test_points_of_a_keypoint_may_be_negative() -> None:
    """A missing point (NaN) takes up a place in the list of signs, too."""
    points = [(0.5, 0.5), (float("nan"), float("nan")), (0.1, 0.1), (0.2, 0.2)]
    fields = {"label": "cat", "points": points, "positive": [True, True, False, True]}
    assert [point.positive for point in points_from_keypoint(fields, SIZE)] == [True, False, True]
