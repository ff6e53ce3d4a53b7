"""Which recipes serve a project: for whole tasks, for clicks, for words, and for single tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ml_backend.project.controls import Control
from ml_backend.settings import BackendSettings
from premask.errors import InvalidSetting, UnsupportedPrompt
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe, built_in_recipes, recipe_of
from premask.recipes.score_bounds import lowest_score, with_lowest_score
from premask.terminal.flags import settings_from_flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One recipe's share of the whole tasks of a project: the tags that it writes."""

    recipe: Recipe
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRecipes:
    """The recipes of one project. Without one for whole tasks, clicks are answered only.

    `of_tags` are those that tags of the label config name, by their names there.
    """

    for_tasks: Recipe | None
    for_clicks: Recipe
    for_videos: Recipe | None = None
    of_tags: Mapping[str, Recipe] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> ChosenRecipes:
        """The recipes of the server itself, with the settings that its owner gave them."""
        recipe = _configured(settings.recipe, settings.recipe_settings)
        clicks = settings.interactive_recipe or ("" if recipe.needs_pointing else "click")
        return cls.in_their_roles(
            recipe,
            _configured(clicks, settings.interactive_settings) if clicks else None,
            _configured(settings.video_recipe, settings.video_settings),
        )

    @classmethod
    def in_their_roles(
        cls, recipe: Recipe, for_clicks: Recipe | None, for_videos: Recipe | None
    ) -> ChosenRecipes:
        """What is named as the recipe answers clicks where it needs somebody to point at things."""
        if not recipe.needs_pointing:
            assert for_clicks is not None
            return cls(for_tasks=recipe, for_clicks=for_clicks, for_videos=for_videos)
        if for_clicks is None:
            return cls(for_tasks=None, for_clicks=recipe, for_videos=for_videos)
        raise InvalidSetting(
            f"The recipe '{recipe.name}' answers clicks, but can't label whole tasks. Name it "
            "as interactive_recipe, or name no interactive_recipe beside it."
        )

    @property
    def all(self) -> tuple[Recipe, ...]:
        """All for images, the ones for whole tasks first."""
        named = (self.for_tasks, *self.of_tags.values(), self.for_clicks)
        return tuple(dict.fromkeys(recipe for recipe in named if recipe is not None))

    @property
    def everything(self) -> tuple[Recipe, ...]:
        """All of them, the one for videos, too."""
        return self.all if self.for_videos is None else (*self.all, self.for_videos)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models of all recipes, without repetition."""
        return tuple(dict.fromkeys(name for recipe in self.all for name in recipe.models))

    def shares(self, controls: Sequence[Control]) -> list[Share]:
        """Which recipe labels whole tasks for which of these controls."""
        by_recipe: dict[Recipe, list[Control]] = {}
        for control in controls:
            named = self.of_tags.get(control.recipe)
            recipe = self.for_tasks if named is None or named.needs_pointing else named
            if recipe is not None:
                by_recipe.setdefault(recipe, []).append(control)
        return [_share(recipe, own) for recipe, own in by_recipe.items()]

    def answering_clicks(self, controls: Iterable[Control]) -> tuple[Recipe, ...]:
        """The recipes that answer what people draw with these controls; the usual one is one."""
        smart = [control for control in controls if control.smart]
        recipes = (self.recipe_for(Prompts(), control) for control in (None, *smart))
        return tuple(dict.fromkeys(recipes))

    def recipe_for(self, prompts: Prompts, asked_with: Control | None = None) -> Recipe:
        """The recipe that answers these prompts of a person, drawn or written with this control.

        Words go to the recipe for whole tasks where the one for clicks does not understand them.
        """
        named = self.of_tags.get(asked_with.recipe) if asked_with is not None else None
        if not prompts.phrases:
            return named if named is not None and named.needs_pointing else self.for_clicks
        for recipe in (named, self.for_clicks, *self.all):
            if recipe is not None and recipe.understands_phrases:
                return recipe
        capable = [
            recipe.name for recipe in built_in_recipes().values() if recipe.understands_phrases
        ]
        raise UnsupportedPrompt(
            f"No recipe of this project ({', '.join(recipe.name for recipe in self.all)}) "
            "understands words. Name one that does with --interactive-recipe of the server, or as "
            "interactive_recipe in the extra params"
            + (f": {', '.join(capable)}." if capable else ".")
        )


def subject_without_label(share: Share) -> str | None:
    """What the recipe calls the subject of every image, if no label of its tags is meant by it.

    It would find something in each task, and write nothing.
    """
    matte = share.recipe.matte
    if matte is None or not share.recipe.mattes_whole_images:
        return None
    meant = any(control.label_for(matte.label) for control in share.controls)
    return None if meant else matte.label


def _share(recipe: Recipe, controls: Sequence[Control]) -> Share:
    """The recipe finds what the lowest threshold lets through; each tag then takes its own."""
    labels = [label for control in controls for label in control.labels]
    said = [control.threshold for control in controls] + [label.threshold for label in labels]
    if all(score is None for score in said):
        return Share(recipe=recipe, controls=tuple(controls))
    usual = lowest_score(recipe)
    own = [
        replace(control, threshold=usual if control.threshold is None else control.threshold)
        for control in controls
    ]
    lowest_of_each = [
        control.threshold if label.threshold is None else label.threshold
        for control in own
        for label in control.labels
    ]
    lowest = min((score or 0.0 for score in lowest_of_each), default=0.0)
    if lowest == (usual or 0.0):
        return Share(recipe=recipe, controls=tuple(own))
    return Share(recipe=with_lowest_score(recipe, lowest), controls=tuple(own))


def _configured(name: str, settings: tuple[str, ...]) -> Recipe:
    return recipe_of(name).with_settings(settings_from_flags(settings))
