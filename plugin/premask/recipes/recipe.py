"""Recipe: which of the six stages there are, and their settings. Data, never code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from premask.errors import InvalidRecipe, InvalidSetting, UnknownRecipe
from premask.models.catalog import Checkpoint, own_catalog_version
from premask.models.weights.installed import weights_identity
from premask.recipes.stage_settings import (
    STAGES,
    FindStage,
    MatteStage,
    OutlineStage,
    TrackStage,
    known_settings,
    settings_and_values,
    stage_from_table,
)
from premask.settings import Setting, require_known
from premask.shaping.refine import Refine
from premask.shaping.select import Select
from premask.toml import TomlError, inline_toml, parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One line of six stages; a stage that is None is skipped.

    Without models, it selects among and refines what it is told of. One with a track stage is for
    clips, where the other stages mean for each frame what they mean for an image.
    """

    name: str
    help: str = ""
    find: FindStage | None = None
    outline: OutlineStage | None = None
    track: TrackStage | None = None
    select: Select = Select()
    refine: Refine = Refine()
    matte: MatteStage | None = None

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The models that it needs, each once, in the order of the stages."""
        stages = (self.find, self.outline, self.track, self.matte)
        return tuple(
            {stage.model: stage.checkpoint for stage in stages if stage is not None}.values()
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that it needs."""
        return tuple(checkpoint.name for checkpoint in self.checkpoints)

    @property
    def listens_to(self) -> tuple[str, ...]:
        """How its finder's family can be told what to look for: "phrases", "exemplars"."""
        finder = self.find or self.track
        return () if finder is None else finder.checkpoint.listens_to

    @property
    def understands_phrases(self) -> bool:
        """Whether it can be told in words what to look for."""
        return "phrases" in self.listens_to

    @property
    def needs_words(self) -> bool:
        """Whether it finds nothing unless it is told what to look for, and brings no phrases.

        Exemplars say it as well, where it listens to them.
        """
        if self.find is None:
            return self.track is not None and self.track.looks_itself
        if self.find.phrases:
            return False
        return self.find.checkpoint.needs_prompts(self.find.options)

    @property
    def needs_pointing(self) -> bool:
        """Whether somebody has to say where: it outlines, and finds nothing itself."""
        if self.track is not None:
            return self.find is None and not self.track.looks_itself
        return self.find is None and self.outline is not None

    @property
    def mattes_whole_images(self) -> bool:
        """Whether it mattes the subject of the image, and not objects that were found before."""
        stages = (self.find, self.outline, self.track)
        return stages == (None, None, None) and self.matte is not None

    def settings(self) -> dict[str, Setting]:
        """All settings, as `stage.name`, with this recipe's values as their defaults."""
        return {
            f"{stage}.{name}": dataclasses.replace(item, default=value)
            for stage, part in self._parts()
            for name, item, value in settings_and_values(stage, part)
        }

    def table(self) -> dict[str, dict[str, Any]]:
        """The stages as TOML has them, with the settings that differ from their defaults."""
        table = {
            stage: {
                name: value
                for name, item, value in settings_and_values(stage, part)
                if item.required or value != item.default
            }
            for stage, part in self._parts()
        }
        return {stage: values for stage, values in table.items() if values}

    def with_settings(self, values: Mapping[str, Any]) -> Recipe:
        """The same recipe with other values; a text is parsed, as behind `--set stage.name=`.

        Another model brings its own settings: the recipe's for the one before it are dropped.
        """
        table = self.table()
        for path, value in values.items():
            stage, name = _split(path)
            known = known_settings(stage, {**table.get(stage, {}), **_models_of(values, stage)})
            kept = table.get(stage, {})
            table[stage] = {setting: kept[setting] for setting in kept if setting in known}
            require_known(name, known, f"{stage}: ")
            parsed = known[name].parse(value, f"{stage}.") if isinstance(value, str) else value
            table[stage][name] = parsed
        return _recipe(self.name, {"help": self.help, **table}, where="")

    @property
    def fingerprint(self) -> str:
        """A short name for all that decides the result: same fingerprint, same annotations."""
        values = {path: item.default for path, item in self.settings().items()}
        hashes = {checkpoint.name: weights_identity(checkpoint) for checkpoint in self.checkpoints}
        text = json.dumps([values, hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        lines = [f"[{self.name}]", f"help = {json.dumps(self.help, ensure_ascii=False)}"]
        stages = (f"{stage} = {inline_toml(values)}" for stage, values in self.table().items())
        return "\n".join([*lines, *stages])

    def _parts(self) -> Iterator[tuple[str, Any]]:
        stages = ((stage, getattr(self, stage)) for stage in STAGES)
        return ((stage, part) for stage, part in stages if part is not None)


def built_in_recipes() -> dict[str, Recipe]:
    """The recipes of recipes.toml that are for images, by name."""
    return {name: recipe for name, recipe in _all_built_in().items() if recipe.track is None}


def clip_recipes() -> dict[str, Recipe]:
    """The recipes of recipes.toml that are for clips, by name."""
    return {name: recipe for name, recipe in _all_built_in().items() if recipe.track is not None}


def _all_built_in() -> dict[str, Recipe]:
    # A person's own model may have the name of one of premask's, and take its place in a recipe.
    return _built_in_recipes(own_catalog_version())


@lru_cache(maxsize=1)
def _built_in_recipes(own_catalog_version: object) -> dict[str, Recipe]:
    text = files("premask.recipes").joinpath("recipes.toml").read_text(encoding="utf-8")
    return _recipes(parse_toml(text), "recipes.toml")


def recipe_of(name: str) -> Recipe:
    """A built-in recipe by name, or one from a file: `mine.toml`, or `mine.toml:name`."""
    path, _, wanted = name.partition(".toml")
    if name != path:
        return _only(recipes_from_file(Path(f"{path}.toml")), wanted.lstrip(":"), name)
    recipes = _all_built_in()
    if name not in recipes:
        raise UnknownRecipe(name, recipes)
    return recipes[name]


def recipes_from_file(path: Path) -> dict[str, Recipe]:
    """The recipes of a person's own file, by name."""
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise InvalidRecipe(f"The recipe file {path} can't be read: {error}.") from error
    return _recipes(table, str(path))


def _only(recipes: dict[str, Recipe], wanted: str, source: str) -> Recipe:
    if wanted and wanted not in recipes:
        raise UnknownRecipe(wanted, recipes, where=f"{source}: ")
    if not wanted and len(recipes) != 1:
        raise InvalidRecipe(
            f"{source} has {len(recipes)} recipes ({', '.join(recipes) or 'none'}); "
            f"say which one, as in {source}:NAME."
        )
    return recipes[wanted] if wanted else next(iter(recipes.values()))


def _recipes(table: Mapping[str, Any], source: str) -> dict[str, Recipe]:
    recipes = {name: _recipe(name, value, f"{source}, ") for name, value in table.items()}
    for name, recipe in recipes.items():
        if not recipe.models:
            raise InvalidRecipe(
                f"{source}, [{name}]: it needs at least one of find, outline and matte, or track "
                "for clips."
            )
    return recipes


def _recipe(name: str, table: Any, where: str) -> Recipe:
    where = f"{where}[{name}]: "
    if not isinstance(table, dict):
        raise InvalidRecipe(f"{where}a recipe is a table of stages: {', '.join(STAGES)}.")
    for key in table:
        require_known(key, ("help", *STAGES), where)
    help_text = table.get("help", "")
    if not isinstance(help_text, str):
        raise InvalidSetting(f"{where}help must be a text; got {help_text!r}.")
    stages = {
        stage: stage_from_table(stage, table[stage], where) for stage in STAGES if stage in table
    }
    recipe = Recipe(name=name, help=help_text, **stages)
    if recipe.mattes_whole_images and recipe.matte is not None and recipe.matte.is_guided:
        raise InvalidRecipe(
            f"{where}matte: '{recipe.matte.model}' softens the edge of a mask, and nothing before "
            "it makes one. Add a find or an outline stage, or take a model that finds the subject "
            "itself, such as 'u2netp' or 'birefnet'."
        )
    return recipe


def _models_of(values: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """The stage's model, where the person names another."""
    path = f"{stage}.model"
    return {"model": values[path]} if path in values else {}


def _split(path: str) -> tuple[str, str]:
    stage, dot, name = path.partition(".")
    if not dot:
        raise InvalidSetting(
            f"'{path}' is no setting: write stage.name, such as refine.grow or find.model."
        )
    require_known(stage, STAGES, "")
    return stage, name
