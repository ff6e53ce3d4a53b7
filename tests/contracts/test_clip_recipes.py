"""What every built-in recipe for clips promises; a new one is tested by being there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.models.pool import ModelPool
from premask.prompts import BoxPrompt, Phrase, Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, clip_recipes, recipe_of
from premask.runs.tracking import track
from tests.clips import write_clip
from tests.tiny import LOOSE, TinyModels, hub_families

NAMES = tuple(clip_recipes())
COUNT = 5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    frames = [
        np.ascontiguousarray(astronaut[:240, 100 - 4 * number : 420 - 4 * number])
        for number in range(COUNT)
    ]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames)


def made_tiny(recipe: Recipe, tiny: TinyModels) -> Recipe:
    """The recipe with tiny models in the place of those of the hub, which are sure of nothing."""
    stages = {"find": recipe.find, "track": recipe.track, "matte": recipe.matte}
    models = {
        f"{name}.model": (tiny.tracking if name == "track" else tiny.__getitem__)(
            stage.checkpoint.family
        )
        for name, stage in stages.items()
        if stage is not None and stage.checkpoint.family in hub_families()
    }
    small = recipe.with_settings(models)
    loose = {
        path: LOOSE[path.partition(".")[2]]
        for path in small.settings()
        if path.startswith("find.") and path.partition(".")[2] in LOOSE
    }
    few = {"select.top": 2, "track.every": 0.2} if models and recipe.find else {}
    if "track.new_threshold" in small.settings():  # it looks for phrases itself
        few |= {"track.threshold": 0.0, "track.new_threshold": 0.0, "track.most_objects": 3}
    return small.with_settings({**loose, **few} if models else {})


def prompts_for(recipe: Recipe) -> Prompts:
    if recipe.needs_pointing:
        return Prompts(boxes=(BoxPrompt(box_xyxy=(70, 60, 180, 220), label="face"),))
    words = (Phrase(text="a face"), Phrase(text="flag"))
    return Prompts(phrases=words if recipe.understands_phrases else ())


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_through_a_clip(
    name: str, clip: Path, tiny: TinyModels, pool: ModelPool, u2netp_weights: object
) -> None:
    recipe = made_tiny(recipe_of(name), tiny)
    frames = list(track(clip, recipe, prompts=prompts_for(recipe), pool=pool))
    assert [labeled.frame for labeled in frames] == list(range(COUNT))
    for labeled in frames:
        tracks = [found.track for found in labeled.annotations]
        assert len(set(tracks)) == len(tracks)
        for found in labeled.annotations:
            assert found.label
            assert set(found.source) <= set(recipe.models)
            assert recipe.track is not None
            assert recipe.track.model in found.source
            assert found.mask is not None
            assert found.mask.area
            assert found.box_xyxy == found.mask.box_xyxy
            assert (found.matte is None) == (recipe.matte is None)
    assert any(labeled.annotations for labeled in frames)


def test_a_recipe_is_for_images_or_for_clips() -> None:
    assert not set(built_in_recipes()) & set(NAMES)
    assert all("premask track" not in recipe.help for recipe in clip_recipes().values())
    assert {"follow", "follow-sam2", "follow-dino-sam2", "follow-detect"} <= set(NAMES)
