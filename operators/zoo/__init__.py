"""The recipes as models of FiftyOne's zoo, which copies this folder and runs it at each load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fiftyone.operators import types

from premask import Phrase, Prompts, Recipe, recipe_of
from premask.models.weights.download import download
from premask.models.weights.installed import located_weights

from .recipe_model import RecipeModel


def download_model(model_name: str, model_path: str) -> None:
    """Bring the weights of a recipe's models to where premask keeps them.

    FiftyOne takes the file at `model_path` for the model; it says where the weights are.
    """
    checkpoints = _recipe(model_name).checkpoints
    for checkpoint in checkpoints:
        if checkpoint.weights is not None and located_weights(checkpoint) is None:
            download(checkpoint)
    lines = (
        f"{checkpoint.name}: {located_weights(checkpoint) or 'no weights'}"
        for checkpoint in checkpoints
    )
    Path(model_path).write_text("\n".join(lines), encoding="utf-8")


def load_model(
    model_name: str,
    model_path: str,
    *,
    settings: Mapping[str, Any] | None = None,
    phrases: Sequence[str] = (),
) -> RecipeModel:
    """Make the model that FiftyOne applies; settings are written as `{"refine.grow": 3}`."""
    recipe = _recipe(model_name).with_settings(settings or {})
    return RecipeModel(recipe, Prompts(phrases=tuple(Phrase(text=phrase) for phrase in phrases)))


def resolve_input(model_name: str, ctx: Any) -> types.Property | None:
    """What FiftyOne's own operator asks for, where a recipe can be told what to look for."""
    recipe = _recipe(model_name)
    if recipe.find is None or not recipe.understands_phrases:
        return None
    phrases = list(recipe.find.phrases)
    inputs = types.Object()
    inputs.list("phrases", types.String(), label="What to look for", default=phrases)
    return types.Property(inputs)


def _recipe(model_name: str) -> Recipe:
    return recipe_of(model_name.removeprefix("premask/"))
