"""Which classes a recipe can find, in an order that does not depend on the images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from premask.errors import UnknownCategory
from premask.models.catalog import Checkpoint
from premask.models.parts.categories import wanted_classes
from premask.models.registry import FAMILIES
from premask.models.weights.installed import located_weights
from premask.models.weights.pickle_data import class_names
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stage_settings import FindStage

_NO_CLASS = "N/A"
"""What checkpoints that were trained on COCO call the numbers that COCO does not use."""


def known_classes(recipe: Recipe, prompts: Prompts) -> tuple[str, ...]:
    """The labels that this recipe can give; none where nobody knows before it has looked.

    They come from what is asked for, from the recipe's own settings, or from the checkpoint's
    list, in this order of precedence; `select.labels` takes from them what it lets through, and is
    an `UnknownCategory` where it names what is never found.
    """
    if recipe.find is None:
        names = _pointed_at(prompts)
        if recipe.mattes_whole_images and recipe.matte is not None:
            names = (recipe.matte.label,)
    else:
        names = _findable(recipe.find, prompts)
        _require_findable(recipe.select.labels, names)
    wanted = recipe.select.labels
    if wanted and not recipe.select.remaining:
        names = tuple(name for name in names if name in wanted) or wanted
    return tuple(dict.fromkeys(name for name in names if name))


def _require_findable(wanted: Sequence[str], names: Sequence[str]) -> None:
    for name in wanted:
        if names and name not in names:
            raise UnknownCategory(name, names, where="select.labels: ")


def _pointed_at(prompts: Prompts) -> tuple[str, ...]:
    hints = prompts.hints()
    return tuple(hint.label for hint in hints)


def _findable(find: FindStage, prompts: Prompts) -> tuple[str, ...]:
    if find.label:
        return (find.label,)
    asked = find.asked(prompts)
    if asked.phrases or asked.exemplars:
        phrases = [phrase.label or phrase.text for phrase in asked.phrases if phrase.positive]
        exemplars = [exemplar.label for exemplar in asked.exemplars if exemplar.positive]
        return (*phrases, *exemplars)
    names = _names_of(find.checkpoint)
    categories: Iterable[str] = getattr(find.options, "categories", ())
    if not names or not categories:
        return tuple(names[number] for number in sorted(wanted_classes((), names)))
    return tuple(
        names[number]
        for category in categories
        for number in sorted(wanted_classes((category,), names))
    )


def _names_of(checkpoint: Checkpoint) -> Mapping[int, str]:
    """The checkpoint's classes by number, as its config.json or its .pt file names them."""
    only = FAMILIES[checkpoint.family].label
    if only:
        return {0: only}
    path = located_weights(checkpoint)
    if path is None:
        return {}
    if path.suffix == ".pt":
        return class_names(path)
    config = (path if path.is_dir() else path.parent) / "config.json"
    return _read_names(config)


def _read_names(config: Path) -> Mapping[int, str]:
    try:
        table = json.loads(config.read_bytes())
        names = {int(number): str(name) for number, name in table["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not every checkpoint has one, and whether this one is whole is found out where it loads.
        return {}
    return {number: name for number, name in names.items() if name != _NO_CLASS}
