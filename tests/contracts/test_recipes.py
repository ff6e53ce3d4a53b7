"""What every built-in recipe promises; a new one is tested by being there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.models.catalog import catalog
from premask.models.pool import ModelPool
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.runs.pipeline import label
from premask.settings import Setting
from tests.tiny import LOOSE, TinyModels, hub_families

NAMES = tuple(built_in_recipes())
TINY = tuple(
    name
    for name, recipe in built_in_recipes().items()
    if any(checkpoint.family in hub_families() for checkpoint in recipe.checkpoints)
)
OFFLINE = tuple(name for name in NAMES if name not in TINY)
FACE = Prompts(boxes=(BoxPrompt(box_xyxy=(170, 60, 280, 220), label="face"),))
WORDS = Prompts(phrases=(Phrase(text="a face"), Phrase(text="flag")))


def run(recipe: Recipe, photo: NDArray[np.uint8], pool: ModelPool) -> Labeled:
    (labeled,) = label([photo], recipe, prompts=prompts_for(recipe), pool=pool)
    return labeled


def prompts_for(recipe: Recipe) -> Prompts | None:
    if recipe.needs_pointing:
        return FACE
    return WORDS if recipe.understands_phrases else None


def made_tiny(recipe: Recipe, tiny: TinyModels) -> Recipe:
    """The recipe with tiny models, which are sure of nothing, in the place of those of the hub."""
    stages = {"find": recipe.find, "outline": recipe.outline, "matte": recipe.matte}
    models = {
        f"{name}.model": tiny[stage.checkpoint.family]
        for name, stage in stages.items()
        if stage is not None and stage.checkpoint.family in hub_families()
    }
    small = recipe.with_settings(models)
    loose = {
        path: LOOSE[name]
        for path in small.settings()
        for stage, _, name in [path.partition(".")]
        if name in LOOSE and (stage == "find" or name in ("width", "height"))
    }
    few = {"select.top": 4} if recipe.find else {}
    return small.with_settings({**loose, **few} if models else {})


def require_sound(annotation: Annotation, photo: NDArray[np.uint8], recipe: Recipe) -> None:
    assert annotation.label
    assert annotation.source
    assert set(annotation.source) <= set(recipe.models)
    assert annotation.mask is None or annotation.mask.size_hw == photo.shape[:2]
    assert annotation.mask is None or annotation.box_xyxy == annotation.mask.box_xyxy
    assert annotation.matte is None or annotation.matte.mask() == annotation.mask


@pytest.mark.parametrize("name", OFFLINE)
def test_it_annotates_a_real_photo(
    name: str, astronaut: NDArray[np.uint8], pool: ModelPool
) -> None:
    recipe = recipe_of(name)
    labeled = run(recipe, astronaut, pool)
    assert labeled.error is None
    assert labeled.annotations
    for annotation in labeled.annotations:
        require_sound(annotation, astronaut, recipe)
        assert annotation.mask is not None
        assert annotation.mask.area > 1000


@pytest.mark.parametrize("name", TINY)
def test_it_runs_on_tiny_models(
    name: str, astronaut: NDArray[np.uint8], pool: ModelPool, tiny: TinyModels
) -> None:
    recipe = made_tiny(recipe_of(name), tiny)
    labeled = run(recipe, astronaut, pool)
    assert labeled.error is None
    for annotation in labeled.annotations:
        require_sound(annotation, astronaut, recipe)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_deterministic(
    name: str, astronaut: NDArray[np.uint8], pool: ModelPool, tiny: TinyModels
) -> None:
    recipe = made_tiny(recipe_of(name), tiny)
    first, second = (run(recipe, astronaut, pool).annotations for _ in range(2))
    assert first == second


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
    (subject,) = run(recipe_of("subject"), astronaut, pool).annotations
    assert subject.matte is not None
    assert len(np.unique(subject.matte.crop())) > 100
    (face,) = run(recipe_of("faces"), astronaut, pool).annotations
    assert face.mask is not None
    assert face.mask.crop((220, 110, 230, 120)).all()
    assert face.mask.difference(subject.mask or face.mask).area < 0.1 * face.mask.area
