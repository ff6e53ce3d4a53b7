"""What every built-in recipe promises; a new one is tested by being there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Labeled
from premask.models.catalog import catalog
from premask.models.pool import ModelPool
from premask.pipeline import label
from premask.prompts import BoxPrompt, Prompts
from premask.recipes import built_in_recipes, recipe_of
from premask.settings import Setting

NAMES = tuple(built_in_recipes())
FACE = Prompts(boxes=(BoxPrompt(box_xyxy=(170, 60, 280, 220), label="face"),))


@pytest.fixture(scope="module")
def pool(u2netp_weights: object) -> ModelPool:
    return ModelPool()


def run(name: str, photo: NDArray[np.uint8], pool: ModelPool) -> Labeled:
    recipe = recipe_of(name)
    prompts = FACE if recipe.find is None and recipe.outline is not None else None
    (labeled,) = label([photo], recipe, prompts=prompts, pool=pool)
    return labeled


@pytest.mark.parametrize("name", NAMES)
def test_it_annotates_a_real_photo(
    name: str, astronaut: NDArray[np.uint8], pool: ModelPool
) -> None:
    labeled = run(name, astronaut, pool)
    assert labeled.error is None
    assert labeled.annotations
    for each in labeled.annotations:
        assert each.label
        assert each.mask is not None
        assert each.mask.size_hw == astronaut.shape[:2]
        assert each.mask.area > 1000
        assert each.box_xyxy == each.mask.box_xyxy
        assert each.source
        assert set(each.source) <= set(recipe_of(name).models)
        assert each.matte is None or each.matte.mask() == each.mask


@pytest.mark.parametrize("name", NAMES)
def test_it_is_deterministic(name: str, astronaut: NDArray[np.uint8], pool: ModelPool) -> None:
    assert run(name, astronaut, pool).annotations == run(name, astronaut, pool).annotations


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_does_and_names_models_of_the_catalog(name: str) -> None:
    recipe = recipe_of(name)
    assert recipe.help[0].isupper()
    assert set(recipe.models) <= set(catalog())


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_can_be_a_form_field(name: str) -> None:
    """Each has a sentence, and its value passes its own check, typed or as text."""
    recipe = recipe_of(name)
    for path, item in recipe.settings().items():
        assert item.help, path
        assert item.check(item.default, "") == item.default, path
        assert item.parse(as_text(item)) == item.default, path
        assert recipe.with_settings({path: item.default}) == recipe, path


def as_text(item: Setting) -> str:
    if isinstance(item.default, tuple):
        return ",".join(map(str, item.default))
    return "off" if item.default is None else str(item.default)


def test_the_subject_has_a_soft_edge_and_the_face_is_where_it_is(
    astronaut: NDArray[np.uint8], pool: ModelPool
) -> None:
    (subject,) = run("subject", astronaut, pool).annotations
    assert subject.matte is not None
    assert len(np.unique(subject.matte.crop())) > 100
    (face,) = run("faces", astronaut, pool).annotations
    assert face.mask is not None
    assert face.mask.crop((220, 110, 230, 120)).all()
    assert face.mask.difference(subject.mask or face.mask).area < 0.1 * face.mask.area
