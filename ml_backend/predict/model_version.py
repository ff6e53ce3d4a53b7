"""The model version, which names predictions: the same name means the same predictions."""

from __future__ import annotations

import re

from ml_backend.project.label_config import LabelConfig
from premask.prompts import Prompts
from premask.recipes.work_keys import WorkKeys

_OWN = re.compile(r"premask-(?P<recipe>.+)-[0-9a-f]{12}")


def model_version(recipe_name: str, keys: WorkKeys, config: LabelConfig, *decisive: str) -> str:
    """A name that changes with the recipe, its settings, its weights and the label config.

    Where several recipes label a task, the others' keys are `decisive`, too.

    Label Studio never asks again for a task that has a prediction of this name. If it did not
    change with the config, a label that somebody adds would never be used.
    """
    # Each task has prompts of its own, but all of them follow from the config.
    videos = [dict(config.videos)] if config.videos else []
    pages = [config.listed, dict(config.repeated)] if config.listed or config.repeated else []
    images = sorted(config.images.items())
    key = keys.key(Prompts(), images, config.controls, *videos, *pages, *decisive)
    return f"premask-{recipe_name}-{key[:12]}"


def recipe_of_version(version: str) -> str:
    """The recipe in the name of a prediction; the whole name where it is not premask's.

    >>> recipe_of_version("premask-dino-sam2-0123456789ab"), recipe_of_version("mine-2")
    ('dino-sam2', 'mine-2')
    """
    own = _OWN.fullmatch(version)
    return own["recipe"] if own else version
