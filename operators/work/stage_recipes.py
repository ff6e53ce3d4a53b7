"""Recipes of one stage without models, for labels that are there already."""

from __future__ import annotations

from premask.recipes.recipe import Recipe

REFINE = Recipe(name="refine", help="What the masks of existing labels should look like")
SELECT = Recipe(name="select", help="Which of the existing labels")

PURE = {recipe.name: recipe for recipe in (REFINE, SELECT)}
