"""The model version, which names predictions: the same name means the same predictions."""

from __future__ import annotations

from ml_backend.project.label_config import LabelConfig
from premask.prompts import Prompts
from premask.recipes.work_keys import WorkKeys


def model_version(recipe_name: str, keys: WorkKeys, config: LabelConfig, *decisive: str) -> str:
    """A name that changes with the recipe, its settings, its weights and the label config.

    Label Studio never asks again for a task that has a prediction of this name. If it did not
    change with the config, a label that somebody adds would never be used.
    """
    # Each task has prompts of its own, but all of them follow from the config.
    videos = [dict(config.videos)] if config.videos else []
    pages = [config.listed, dict(config.repeated)] if config.listed or config.repeated else []
    images = sorted(config.images.items())
    key = keys.key(Prompts(), images, config.controls, *videos, *pages, *decisive)
    return f"premask-{recipe_name}-{key[:12]}"
