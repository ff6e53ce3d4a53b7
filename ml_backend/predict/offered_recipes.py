"""What projects may choose: the recipes and models that the server's owner offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ml_backend.predict.chosen_recipes import ChosenRecipes
from ml_backend.project.extra_params import WHERE, ExtraParams, Settings
from ml_backend.project.label_config import LabelConfig
from ml_backend.settings import BackendSettings
from premask.errors import (
    InvalidSetting,
    MissingDependency,
    MissingWeights,
    PremaskError,
    UnknownModel,
    UnknownRecipe,
    UnusableLabelConfig,
)
from premask.models.catalog import known_models
from premask.models.readiness import NEEDS_EXTRA, READY, readiness_of
from premask.models.weights.installed import installed_weights
from premask.recipes.recipe import (
    Recipe,
    built_in_recipes,
    clip_recipes,
    recipe_of,
    recipes_from_file,
)
from premask.recipes.score_bounds import with_lowest_score

Recipes = Mapping[str, Recipe]


class OfferedRecipes:
    """The recipes of one server: its own, and those that a project may name instead.

    A name from a project is looked up here, and never opened as a file.
    """

    def __init__(self, settings: BackendSettings) -> None:
        self.usual = ChosenRecipes.from_settings(settings)
        self._models = settings.project_models
        # What the server was started with keeps its settings when a project names it.
        own = {recipe.name: recipe for recipe in reversed(self.usual.everything)}
        recipes = dict(_offered(settings.project_recipes)) | own
        self._for_images = {name: one for name, one in recipes.items() if one.track is None}
        self._for_videos = {name: one for name, one in recipes.items() if one.track is not None}

    def chosen_by(self, asked: ExtraParams, config: LabelConfig) -> ChosenRecipes:
        """The recipes of a project: by the tags of its config, else its extra params, else usual.

        Raises for a name that is not offered, and for settings that a recipe does not have.
        """
        chosen = self._by_extra_params(asked)
        of_tags = dict(self._by_tags(config))
        if asked.threshold is not None:
            least = asked.threshold
            of_tags = {name: _at_least(recipe, least) for name, recipe in of_tags.items()}
            if chosen.for_tasks is not None:
                chosen = replace(chosen, for_tasks=_at_least(chosen.for_tasks, least))
        on_videos = dict.fromkeys(tag.recipe for tag in config.videos.values() if tag.recipe)
        if len(on_videos) > 1:
            raise UnusableLabelConfig(
                f"One recipe follows in all videos of a project; model_recipe names several: "
                f"{', '.join(on_videos)}."
            )
        for name in on_videos:
            followed = self._named(name, self._for_videos, "the label config: ")
            chosen = replace(chosen, for_videos=followed)
        return replace(chosen, of_tags=of_tags)

    def _by_extra_params(self, asked: ExtraParams) -> ChosenRecipes:
        usual = self.usual
        recipe, videos = usual.for_tasks or usual.for_clicks, usual.for_videos
        clicks: Recipe | None = usual.for_clicks
        if asked.recipe:
            recipe = self._named(asked.recipe, self._for_images, WHERE)
        settings = asked.settings
        if asked.interactive_recipe:
            clicks = self._named(asked.interactive_recipe, self._for_images, WHERE)
        elif recipe.needs_pointing:
            clicks, settings = None, (*settings, *asked.interactive_settings)
        if asked.video_recipe:
            videos = self._named(asked.video_recipe, self._for_videos, WHERE)
        return ChosenRecipes.in_their_roles(
            self._with_settings(recipe, settings),
            clicks and self._with_settings(clicks, asked.interactive_settings),
            videos and self._with_settings(videos, asked.video_settings),
        )

    def _by_tags(self, config: LabelConfig) -> Iterator[tuple[str, Recipe]]:
        for control in config.controls:
            if control.recipe:
                where = f"model_recipe of {control}: "
                yield control.recipe, self._named(control.recipe, self._for_images, where)

    def _named(self, name: str, offered: Recipes, where: str) -> Recipe:
        if name in offered:
            return offered[name]
        if name in self._for_videos:
            raise InvalidSetting(
                f"{where}'{name}' follows objects in videos: name it video_recipe."
            )
        if name in self._for_images:
            raise InvalidSetting(f"{where}'{name}' is for images, and no video_recipe.")
        if name in built_in_recipes() or name in clip_recipes():
            raise InvalidSetting(
                f"{where}this server does not offer the recipe '{name}', but {_listed(offered)}. "
                "Its owner can, with project_recipes."
            )
        raise UnknownRecipe(name[:80], offered, where=where)

    def _with_settings(self, recipe: Recipe, settings: Settings) -> Recipe:
        for name, value in settings:
            if name.endswith(".model") and value not in self._models:
                _require_catalogued(str(value))
        try:
            return recipe.with_settings(dict(settings)) if settings else recipe
        except PremaskError as error:
            raise InvalidSetting(f"{WHERE}recipe '{recipe.name}': {error}") from error


def require_ready(recipes: Iterable[Recipe]) -> None:
    """Raise for a recipe that lacks packages or weights here, with the commands that get them."""
    for recipe in recipes:
        readiness = readiness_of(recipe.checkpoints)
        if readiness.rank != READY:
            kind = MissingDependency if readiness.rank == NEEDS_EXTRA else MissingWeights
            raise kind(f"The recipe '{recipe.name}' can't run here. {readiness.advice}")
        for checkpoint in recipe.checkpoints:
            installed_weights(checkpoint)


def _offered(listed: Iterable[str]) -> Iterator[tuple[str, Recipe]]:
    """The recipes that are listed, those of whole files, too; all of premask's own without any."""
    names = tuple(listed)
    if not names:
        yield from (built_in_recipes() | clip_recipes()).items()
    for name in names:
        if name.endswith(".toml"):
            yield from recipes_from_file(Path(name)).items()
        else:
            recipe = recipe_of(name)
            yield recipe.name, recipe


def _require_catalogued(name: str) -> None:
    """Raise for a model that is not in premask's catalog, before anybody looks for it on disk."""
    if name not in known_models():
        raise UnknownModel(name[:80], known_models(), where=WHERE)


def _at_least(recipe: Recipe, score: float) -> Recipe:
    return recipe if recipe.needs_pointing else with_lowest_score(recipe, score)


def _listed(recipes: Recipes) -> str:
    return ", ".join(sorted(recipes))
