"""Tiny checkpoints of the real architectures, made when a test first asks for one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from premask.models.catalog import HubWeights, catalog
from premask.models.registry import FAMILIES

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


class TinyModels:
    """Names that a `ModelPool` takes, such as `sam2:/somewhere/sam2`, by family."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, family: str) -> str:
        folder = self._folder / family
        if not folder.exists():
            folder.mkdir(parents=True)
            _builder(family).build(folder)
        pickles = list(folder.glob("*.pt"))
        return f"{family}:{pickles[0] if pickles else folder}"


def hub_families() -> list[str]:
    """The families whose weights can't be had in a test."""
    return [
        name
        for name in FAMILIES
        if all(
            isinstance(each.weights, HubWeights)
            for each in catalog().values()
            if each.family == name
        )
    ]


def _builder(family: str) -> Any:
    try:
        return importlib.import_module(f"tests.tiny_models.{family.replace('-', '_')}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tests"):
            raise
        extra = FAMILIES[family].extra
        pytest.skip(f"{error.name} is not installed: pip install 'premask[{extra}]'")
