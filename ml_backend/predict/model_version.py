"""The name of predictions: the same name, the same predictions."""

from __future__ import annotations

from ml_backend.project.label_config import LabelConfig
from premask.images import digest_of


def model_version(recipe_name: str, fingerprint: str, config: LabelConfig) -> str:
    """Changes with the recipe, its settings, its weights, and what the project can show of it.

    Label Studio never asks again for a task that has a prediction of this name: without the config
    in it, a label that somebody adds would stay unused.
    """
    parts = f"{fingerprint} {sorted(config.images.items())} {config.controls}"
    return f"premask-{recipe_name}-{digest_of(parts.encode())[:12]}"
