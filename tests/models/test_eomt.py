"""EoMT: whole objects, views that are joined, and padding that does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from premask.errors import InvalidSetting
from premask.images import Image
from premask.masks import Mask
from premask.models.families.eomt import eomt_finder
from premask.models.parts.query_segmentation import QueryFinder
from premask.prompts import Hint, Prompts
from tests.models.detector_checks import assert_same, assert_same_but_for_rounding
from tests.models.query_segmentation_checks import (
    assert_agree,
    eomt_documented,
    found,
    hints_of_classes,
    hints_of_segments,
    loose,
    mask_of,
    small_photos,
)
from tests.tiny_models import eomt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eomt")
    eomt.build(folder)
    return folder


@pytest.fixture(scope="module")
def finder(folder: Path) -> QueryFinder:
    return eomt_finder(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return small_photos()


@pytest.mark.parametrize("index", [0, 3])
def test_instances_of_eomt_are_whole_where_the_library_paints_one_over_the_other(
    folder: Path, finder: QueryFinder, images: list[Image], index: int
) -> None:
    options, image = loose("eomt", "instance"), images[index]
    painted = hints_of_segments(eomt_documented(folder, image, options), by_score=False)
    hints = {round(hint.score or 0, 6): hint for hint in found(finder, image, options)}
    assert len(hints) == len(painted) > 2
    for place, expected in enumerate(painted):
        hint = hints[expected.score or 0]
        later = [mask_of(hints[segment.score or 0]) for segment in painted[place + 1 :]]
        visible = mask_of(hint).difference(*later)
        assert (hint.label, visible) == (expected.label, expected.mask)
    assert any(mask_of(hints[segment.score or 0]) != segment.mask for segment in painted)


@pytest.fixture(scope="module")
def semantic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("semantic")
    eomt.build_semantic(folder)
    return folder


@pytest.mark.parametrize("index", [0, 2, 3, 4])
def test_eomt_joins_the_views_of_a_long_image(
    semantic_folder: Path, images: list[Image], index: int
) -> None:
    """Lying and standing, of one view and of three."""
    finder, options = eomt_finder(weights=semantic_folder, device="cpu"), loose("eomt", "semantic")
    numbers = eomt_documented(semantic_folder, images[index], options)
    expected = hints_of_classes(np.asarray(numbers))
    assert len(expected) > 1
    assert_same(found(finder, images[index], options), expected)


def test_views_of_several_images_do_not_mix(semantic_folder: Path, images: list[Image]) -> None:
    finder, options = eomt_finder(weights=semantic_folder, device="cpu"), loose("eomt", "semantic")
    alone = [found(finder, image, options) for image in images]
    finder._at_once = 4
    for hints, expected in zip(finder.find(images, [Prompts()] * 5, options), alone, strict=True):
        assert_same_but_for_rounding(hints, expected)


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_a_checkpoint_that_tells_classes_only_finds_no_objects(
    semantic_folder: Path, images: list[Image], task: str
) -> None:
    finder = eomt_finder(weights=semantic_folder, device="cpu")
    with pytest.raises(InvalidSetting, match=f"Set task to 'semantic' instead of '{task}'"):
        found(finder, images[0], loose("eomt", task))


def test_classes_of_a_padded_image_lie_where_the_image_does(
    folder: Path, finder: QueryFinder, images: list[Image]
) -> None:
    """The library (5.23) stretches image and padding together; on a square there is none."""
    options = loose("eomt", "semantic")
    square = Image.from_rgb(np.ascontiguousarray(images[0].rgb[:160, :160]), name="square")
    numbers = np.asarray(eomt_documented(folder, square, options))
    whole = found(finder, square, options)
    assert_same(whole, hints_of_classes(numbers))
    # The network pads with black, so black beside its left half changes nothing in that half.
    left = square.rgb[:, :80]
    beside = Image.from_rgb(np.concatenate([left, np.zeros_like(left)], axis=1), name="beside")
    half = Image.from_rgb(np.ascontiguousarray(left), name="half")
    one, other = (found(finder, image, options) for image in (half, beside))
    assert_agree(one, [clipped_to(hint, 80) for hint in other], share=0.99)


def clipped_to(hint: Hint, width: int) -> Hint:
    return replace(hint, mask=Mask.from_array(mask_of(hint).to_array()[:, :width]))
