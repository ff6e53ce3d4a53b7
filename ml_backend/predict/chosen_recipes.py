"""Which recipe labels whole tasks, which one answers clicks, and which one understands words."""

from __future__ import annotations

from dataclasses import dataclass

from ml_backend.project.label_config import LabelConfig
from ml_backend.settings import BackendSettings
from premask.errors import InvalidSetting, UnsupportedPrompt
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.terminal.flags import settings_from_flags


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRecipes:
    """The recipes of one server. Without one for whole tasks, it answers clicks only."""

    for_tasks: Recipe | None
    for_clicks: Recipe

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> ChosenRecipes:
        """The recipes with the settings that a person gave them."""
        recipe = _configured(settings.recipe, settings.recipe_settings)
        if not recipe.needs_pointing:
            for_clicks = settings.interactive_recipe or "click"
            return cls(
                for_tasks=recipe,
                for_clicks=_configured(for_clicks, settings.interactive_settings),
            )
        if settings.interactive_recipe:
            raise InvalidSetting(
                f"The recipe '{recipe.name}' answers clicks, but can't label whole tasks. Name it "
                "as interactive_recipe, or name no interactive_recipe beside it."
            )
        return cls(for_tasks=None, for_clicks=recipe)

    @property
    def all(self) -> tuple[Recipe, ...]:
        return (self.for_clicks,) if self.for_tasks is None else (self.for_tasks, self.for_clicks)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models of all recipes, without repetition."""
        return tuple(dict.fromkeys(name for recipe in self.all for name in recipe.models))

    def recipe_for(self, prompts: Prompts) -> Recipe:
        """The recipe that answers these prompts of a person.

        Words go to the recipe for whole tasks where the one for clicks does not understand them.
        """
        if not prompts.phrases:
            return self.for_clicks
        for recipe in (self.for_clicks, *self.all):
            if recipe.understands_phrases:
                return recipe
        capable = [
            recipe.name for recipe in built_in_recipes().values() if recipe.understands_phrases
        ]
        raise UnsupportedPrompt(
            f"No recipe of this server ({', '.join(recipe.name for recipe in self.all)}) "
            "understands words. Start it with --interactive-recipe and a recipe that does"
            + (f": {', '.join(capable)}." if capable else ".")
        )


def subject_without_label(recipe: Recipe, config: LabelConfig) -> str | None:
    """What the recipe calls the subject of every image, if no label of the project is meant by it.

    It would find something in each task, and write nothing.
    """
    if recipe.matte is None or not recipe.mattes_whole_images:
        return None
    called = recipe.matte.label
    controls = [control for image in config.images for control in config.outputs(image)]
    return None if any(control.label_for(called) for control in controls) else called


def _configured(name: str, settings: tuple[str, ...]) -> Recipe:
    return recipe_of(name).with_settings(settings_from_flags(settings))
