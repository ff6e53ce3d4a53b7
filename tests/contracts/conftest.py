"""The models of the contract tests: those that need no hub, and tiny ones of the hub's families."""

from __future__ import annotations

import pytest

from premask.models.pool import ModelPool
from tests.tiny import TinyModels


@pytest.fixture(scope="module")
def pool(u2netp_weights: object) -> ModelPool:
    return ModelPool(device="cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("tiny"))
