"""Which recipe labels whole tasks, which one answers clicks, and which one understands words."""

from __future__ import annotations

from dataclasses import dataclass

from ml_backend.settings import BackendSettings
from premask.errors import InvalidSetting, UnsupportedPrompt
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.terminal.flags import settings_from_flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The recipes of one server. Without one for whole tasks, it answers clicks only."""

    batch: Recipe | None
    interactive: Recipe

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> Roles:
        """The recipes with the settings that a person gave them."""
        batch = _configured(settings.recipe, settings.recipe_settings)
        if needs_clicks(batch) and not settings.interactive_recipe:
            return cls(batch=None, interactive=batch)
        if needs_clicks(batch):
            raise InvalidSetting(
                f"The recipe '{batch.name}' answers clicks, but can't label whole tasks. Name it "
                "as interactive_recipe, or name no interactive_recipe beside it."
            )
        clicked = settings.interactive_recipe or "click"
        return cls(batch=batch, interactive=_configured(clicked, settings.interactive_settings))

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All that there are."""
        return (self.interactive,) if self.batch is None else (self.batch, self.interactive)

    @property
    def models(self) -> tuple[str, ...]:
        """The models of all recipes, each once."""
        return tuple(dict.fromkeys(name for recipe in self.recipes for name in recipe.models))

    def recipe_for(self, prompts: Prompts) -> Recipe:
        """The recipe that answers these prompts of a person."""
        if not prompts.phrases:
            return self.interactive
        for recipe in (self.interactive, *self.recipes):
            if recipe.understands_phrases:
                return recipe
        capable = [each.name for each in built_in_recipes().values() if each.understands_phrases]
        raise UnsupportedPrompt(
            f"No recipe of this server ({', '.join(each.name for each in self.recipes)}) "
            "understands words. Start it with --interactive-recipe and a recipe that does"
            + (f": {', '.join(capable)}." if capable else ".")
        )


def needs_clicks(recipe: Recipe) -> bool:
    """Whether somebody has to say where."""
    return recipe.find is None and recipe.outline is not None


def _configured(name: str, settings: tuple[str, ...]) -> Recipe:
    return recipe_of(name).with_settings(settings_from_flags(settings))
