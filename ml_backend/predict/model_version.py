"""The model version, which names predictions: the same name means the same predictions."""

from __future__ import annotations

from ml_backend.project.label_config import LabelConfig
from premask.images import digest_of


def model_version(recipe_name: str, fingerprint: str, config: LabelConfig) -> str:
    """A name that changes with the recipe, its settings, its weights and the label config.

    Label Studio never asks again for a task that has a prediction of this name. If it did not
    change with the config, a label that somebody adds would never be used.
    """
    parts = f"{fingerprint} {sorted(config.images.items())} {config.controls}"
    return f"premask-{recipe_name}-{digest_of(parts.encode())[:12]}"
