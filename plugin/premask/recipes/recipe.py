"""Recipe: which of the five stages there are, and their settings. Data, never code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from premask.errors import InvalidRecipe, InvalidSetting, UnknownRecipe
from premask.models.catalog import checkpoint_of
from premask.models.options import NoOptions
from premask.models.registry import Stage
from premask.models.weights.installed import weights_identity
from premask.settings import Setting, checked, require_known, setting, settings_of
from premask.shaping.refine import Refine
from premask.shaping.select import Select
from premask.toml import TomlError, inline_toml, parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class FindStage:
    """Where is it? Without this stage, the person's own points and boxes say so."""

    model: str = setting(help="who finds: a name from `premask models`")
    label: str = setting("", "what to call all that is found; empty: what the model calls it")
    phrases: tuple[str, ...] = setting((), "what to look for, where the person asks for nothing")
    tile: int = setting(
        0,
        "look at squares of so many pixels one by one, for small objects in large images; 0: off",
        minimum=0,
        maximum=16384,
    )
    overlap: float = setting(
        0.25, "how much of a tile its neighbor sees too, as a share", minimum=0, maximum=0.9
    )
    whole: bool = setting(True, "whether to look at the whole image too, besides its tiles")
    options: Any = NoOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineStage:
    """What shape has it?"""

    model: str = setting(help="who outlines: a name from `premask models`")
    options: Any = NoOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteStage:
    """How soft is the edge? Of each object found before, or else of the whole image's subject."""

    model: str = setting(help="who mattes: a name from `premask models`")
    label: str = setting("subject", "what to call the subject of a whole image")
    threshold: int = setting(
        128, "the alpha from which on a pixel belongs to the binary mask", minimum=1, maximum=255
    )
    reach: float = setting(
        0.1,
        "how far from its mask's edge an object's matte may be soft, as a share of its size",
        minimum=0,
        maximum=1,
    )
    options: Any = NoOptions()


STAGES: dict[str, type[Any]] = {
    "find": FindStage,
    "outline": OutlineStage,
    "select": Select,
    "refine": Refine,
    "matte": MatteStage,
}
MODEL_STAGES: tuple[Stage, ...] = ("find", "outline", "matte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One line of five stages; a stage that is None is skipped.

    Without models, it selects among and refines what it is told of.
    """

    name: str
    help: str = ""
    find: FindStage | None = None
    outline: OutlineStage | None = None
    select: Select = Select()
    refine: Refine = Refine()
    matte: MatteStage | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it needs, in order."""
        stages = (getattr(self, stage) for stage in MODEL_STAGES)
        return tuple(dict.fromkeys(stage.model for stage in stages if stage is not None))

    @property
    def understands_phrases(self) -> bool:
        """Whether models of its find stage's family can be told what to look for."""
        return self.find is not None and "phrases" in checkpoint_of(self.find.model).kind.prompts

    @property
    def needs_prompts(self) -> bool:
        """Whether it finds nothing unless it is told what to look for, and brings no phrases."""
        if self.find is None or self.find.phrases:
            return False
        return checkpoint_of(self.find.model).kind.needs_prompts(self.find.options)

    def settings(self) -> dict[str, Setting]:
        """All settings, as `stage.name`, with this recipe's values as their defaults."""
        return {
            f"{stage}.{name}": dataclasses.replace(item, default=value)
            for stage, part in self._parts()
            for name, item, value in _settings_and_values(stage, part)
        }

    def table(self) -> dict[str, dict[str, Any]]:
        """The stages as TOML has them, with the settings that differ from their defaults."""
        table = {
            stage: {
                name: value
                for name, item, value in _settings_and_values(stage, part)
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
            known = _known_settings(stage, {**table.get(stage, {}), **_models_of(values, stage)})
            table[stage] = {key: each for key, each in table.get(stage, {}).items() if key in known}
            require_known(name, known, f"{stage}: ")
            parsed = known[name].parse(value, f"{stage}.") if isinstance(value, str) else value
            table[stage][name] = parsed
        return _recipe(self.name, {"help": self.help, **table}, where="")

    @property
    def fingerprint(self) -> str:
        """A short name for all that decides the result: same fingerprint, same annotations."""
        values = {path: item.default for path, item in self.settings().items()}
        hashes = {name: weights_identity(checkpoint_of(name)) for name in self.models}
        text = json.dumps([values, hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        lines = [f"[{self.name}]", f"help = {json.dumps(self.help, ensure_ascii=False)}"]
        stages = (f"{stage} = {inline_toml(values)}" for stage, values in self.table().items())
        return "\n".join([*lines, *stages])

    def _parts(self) -> Iterator[tuple[str, Any]]:
        stages = ((stage, getattr(self, stage)) for stage in STAGES)
        return ((stage, part) for stage, part in stages if part is not None)


@cache
def built_in_recipes() -> dict[str, Recipe]:
    """The recipes of recipes.toml by name."""
    text = files("premask.recipes").joinpath("recipes.toml").read_text(encoding="utf-8")
    return _recipes(parse_toml(text), "recipes.toml")


def recipe_of(name: str) -> Recipe:
    """A built-in recipe by name, or one from a file: `mine.toml`, or `mine.toml:name`."""
    path, _, wanted = name.partition(".toml")
    if name != path:
        return _only(recipes_from_file(Path(f"{path}.toml")), wanted.lstrip(":"), name)
    if name not in built_in_recipes():
        raise UnknownRecipe(name, built_in_recipes())
    return built_in_recipes()[name]


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
                f"{source}, [{name}]: it needs at least one of find, outline and matte."
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
    stages = {stage: _stage(stage, table[stage], where) for stage in STAGES if stage in table}
    recipe = Recipe(name=name, help=help_text, **stages)
    _require_a_mask_to_soften(recipe, where)
    return recipe


def _require_a_mask_to_soften(recipe: Recipe, where: str) -> None:
    if recipe.matte is None or recipe.find is not None or recipe.outline is not None:
        return
    if checkpoint_of(recipe.matte.model).kind.guided:
        raise InvalidRecipe(
            f"{where}matte: '{recipe.matte.model}' softens the edge of a mask, and nothing before "
            "it makes one. Add a find or an outline stage, or take a model that finds the subject "
            "itself, such as 'u2netp' or 'birefnet'."
        )


def _stage(stage: str, table: Any, where: str) -> Any:
    where = f"{where}{stage}."
    if not isinstance(table, dict):
        raise InvalidRecipe(
            f'{where.rstrip(".")} must be a table, such as {stage} = {{ model = "..." }}.'
        )
    for name in table:
        require_known(name, _known_settings(stage, table, where), where)
    own = settings_of(STAGES[stage])
    part = checked(STAGES[stage], {k: v for k, v in table.items() if k in own}, where)
    if stage not in MODEL_STAGES:
        return part
    given = {k: v for k, v in table.items() if k not in own}
    usual = checkpoint_of(part.model).options_for(stage)
    options = checked(type(usual), {**dataclasses.asdict(usual), **given}, where)
    return dataclasses.replace(part, options=options)


def _known_settings(stage: str, table: Mapping[str, Any], where: str = "") -> dict[str, Setting]:
    """The settings of a stage and of the model that answers it."""
    known = settings_of(STAGES[stage])
    if stage in MODEL_STAGES and isinstance(table.get("model"), str):
        checkpoint = checkpoint_of(table["model"])
        if stage not in checkpoint.stages:
            raise InvalidRecipe(
                f"{where}model: '{checkpoint.name}' can't {stage}; "
                f"it can {' and '.join(checkpoint.stages)}."
            )
        known |= settings_of(checkpoint.kind.options_type(stage))
    return known


def _settings_and_values(stage: str, part: Any) -> Iterator[tuple[str, Setting, Any]]:
    """Name, description and value of each setting of a stage and of its model."""
    for name, item in settings_of(type(part)).items():
        yield name, item, getattr(part, name)
    if stage in MODEL_STAGES:
        usual = checkpoint_of(part.model).options_for(stage)
        for name, item in settings_of(type(part.options)).items():
            described = dataclasses.replace(item, default=getattr(usual, name))
            yield name, described, getattr(part.options, name)


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
