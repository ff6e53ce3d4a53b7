"""The lowest score of what a recipe hands on, in whichever of its stages that is set."""

from __future__ import annotations

from premask.recipes.recipe import Recipe

FIND_SETTINGS = ("find.threshold", "find.min_score")
SELECT_SETTING = "select.min_score"


def lowest_score(recipe: Recipe) -> float | None:
    """The lowest score of what is handed on; None where every score is."""
    settings = recipe.settings()
    said = [settings[name].default for name in _names(recipe)]
    scores = [score for score in said if isinstance(score, float)]
    return max(scores, default=None)


def with_lowest_score(recipe: Recipe, score: float) -> Recipe:
    """The same recipe with another lowest score; what has no score passes all the same.

    A finder that has such a setting finds less or more; what others find is selected.
    """
    return recipe.with_settings(dict.fromkeys(_names(recipe), score))


def _names(recipe: Recipe) -> list[str]:
    """The finder's own setting, and that of the selection where it is set or the only one."""
    settings = recipe.settings()
    names = [name for name in FIND_SETTINGS if name in settings][:1]
    if not names or settings[SELECT_SETTING].default is not None:
        names.append(SELECT_SETTING)
    return names
