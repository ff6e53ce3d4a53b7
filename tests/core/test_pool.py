from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from premask.errors import InvalidSetting, MissingDependency, UnknownModel
from premask.models import pool
from premask.models.pool import ModelPool


def test_a_model_is_loaded_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def slow_build(family: str, weights: Any, device: str) -> object:
        loads.append(family)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr(pool, "build", slow_build)
    models, shared = set(), ModelPool()
    threads = [
        threading.Thread(target=lambda: models.add(shared.load("grabcut"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["grabcut"]
    assert len(models) == 1
    shared.free()
    assert shared.load("grabcut") not in models


@pytest.mark.parametrize(
    ("name", "able", "unable"),
    [
        ("haar-face", {"finder"}, {"segmenter", "matter"}),
        ("grabcut", {"segmenter"}, {"finder", "matter"}),
        ("u2netp", {"finder", "matter"}, {"segmenter"}),
    ],
)
def test_models_are_handed_out_as_what_they_can_do(
    name: str, able: set[str], unable: set[str], u2netp_weights: object
) -> None:
    shared = ModelPool(device="cpu")
    assert all(getattr(shared, role)(name) is shared.load(name) for role in able)
    for role in unable:
        with pytest.raises(InvalidSetting, match=f"'{name}' can't .*premask models show {name}"):
            getattr(shared, role)(name)


def test_only_models_that_embed_can_be_asked_to() -> None:
    with pytest.raises(InvalidSetting, match="'haar-face' can't embed"):
        ModelPool().embed("haar-face", [])


def test_unknown_models_suggest_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'grabcut'"):
        ModelPool().load("grabcat")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(name: str) -> object:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr("premask.models.registry.importlib.import_module", no_module)
    with pytest.raises(MissingDependency, match=r"'cv2'.*pip install 'premask\[offline\]'"):
        ModelPool().load("grabcut")
