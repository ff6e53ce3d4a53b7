"""Recipes at work: images of several projects in one batch, and names for what comes of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

from ml_backend.predict.batching import Batches
from premask.annotations import Annotation, Labeled
from premask.images import Image
from premask.models.pool import ModelPool
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stages import run_stages
from premask.recipes.work_keys import WorkKeys
from premask.runs.pipeline import BATCH_SIZE, WORKERS, Request, explained, label

RECIPES = 200
"""Of so many the keys and the batches are kept: each setting that a project tries is one more."""


class RecipeRuns:
    """Runs recipes with the models of one process; many threads may share it."""

    def __init__(self, pool: ModelPool) -> None:
        self.pool = pool
        self._keys: OrderedDict[tuple[Recipe, tuple[str, ...]], WorkKeys] = OrderedDict()
        self._batches: OrderedDict[Recipe, Batches[Request, Labeled]] = OrderedDict()
        self._guard = threading.Lock()

    def keys(self, recipe: Recipe) -> WorkKeys:
        """Names for what this recipe finds. They follow the weights that are loaded.

        These stay as they are if their files change, until the model is freed and loaded anew.
        """
        known = (recipe, tuple(self.pool.identity(name) for name in recipe.models))
        with self._guard:
            if known not in self._keys:
                self._keys[known] = WorkKeys(recipe)
            self._keys.move_to_end(known)
            _bound(self._keys)
            return self._keys[known]

    def alone(self, image: Image, prompts: Prompts, recipe: Recipe) -> tuple[Annotation, ...]:
        """What the recipe finds in this image, at once."""
        try:
            return run_stages([image], [prompts], recipe, self.pool)[0]
        except Exception as error:
            raise explained(error, image, f"The recipe '{recipe.name}'") from error

    def together(self, image: Image, prompts: Prompts, recipe: Recipe) -> tuple[Annotation, ...]:
        """The same from a batch, with images that other threads bring for the same recipe."""
        labeled = self._batches_of(recipe).result_of(Request(image=image, prompts=prompts))
        if labeled.error is not None:
            raise labeled.error
        return labeled.annotations

    def _batches_of(self, recipe: Recipe) -> Batches[Request, Labeled]:
        with self._guard:
            if recipe not in self._batches:
                labeled = partial(self._labeled, recipe)
                self._batches[recipe] = Batches(labeled, size=BATCH_SIZE, calls=WORKERS)
            self._batches.move_to_end(recipe)
            _bound(self._batches)
            return self._batches[recipe]

    def _labeled(self, recipe: Recipe, requests: Sequence[Request]) -> list[Labeled]:
        return list(label(requests, recipe, pool=self.pool, batch_size=len(requests)))


def _bound(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > RECIPES:
        kept.popitem(last=False)
