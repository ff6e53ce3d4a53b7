"""Tiny checkpoints of the real architectures, made when a test first asks for one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from premask.models.catalog import catalog
from premask.models.registry import FAMILIES
from premask.models.weights.kinds import HubWeights

LOOSE = {
    "threshold": 0.0,
    "visible": 0.0,
    "min_score": 0.0,
    "min_stability": 0.0,
    "points_per_side": 3,
    "width": 64,
    "height": 32,
}
"""Settings for models with random weights, which are sure of nothing, and small."""


MISSING_BUILDER = """The family '{family}' has no tiny checkpoint to be tested with.
Write tests/tiny_models/{module}.py with a function

    def build(folder: Path) -> None:

that seeds the random numbers, makes a model of the real architecture with sizes so small that it
loads at once, and saves its weights into the folder in the form that the adapter reads
(transformers: `save_pretrained` of the model and of its processor). Let `perturb` wake the weights
that begin as zeros, or the model will see no difference between two images. A short example is
tests/tiny_models/segformer.py."""


class TinyModels:
    """Names that a `ModelPool` takes, such as `sam2:/somewhere/sam2`, by family."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, family: str) -> str:
        folder = self._folder / family
        if not folder.exists():
            builder = _builder(family)
            folder.mkdir(parents=True)
            builder.build(folder)
        pickles = list(folder.glob("*.pt"))
        return f"{family}:{pickles[0] if pickles else folder}"

    def tracking(self, family: str) -> str:
        """One that can also follow objects: its weights are those of the video model."""
        if not hasattr(_builder(family), "build_video"):
            return self[family]  # it is for nothing but clips
        folder = self._folder / f"{family}-tracking"
        if not folder.exists():
            folder.mkdir(parents=True)
            _builder(family).build_video(folder)
        return f"{family}:{folder}"


def hub_families() -> list[str]:
    """The families whose weights can't be had in a test."""
    return [
        name
        for name in FAMILIES
        if all(
            isinstance(checkpoint.weights, HubWeights)
            for checkpoint in catalog().values()
            if checkpoint.family == name
        )
    ]


def _builder(family: str) -> Any:
    module = family.replace("-", "_")
    try:
        builder = importlib.import_module(f"tests.tiny_models.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tests.tiny_models.{module}":
            extra = FAMILIES[family].extra
            pytest.skip(f"{error.name} is not installed: pip install 'premask[{extra}]'")
        builder = None
    if not hasattr(builder, "build"):
        pytest.fail(MISSING_BUILDER.format(family=family, module=module), pytrace=False)
    return builder
