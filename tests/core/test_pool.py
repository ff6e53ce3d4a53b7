from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.errors import InvalidSetting, MissingDependency, UnknownModel
from premask.images import Image
from premask.models import pool
from premask.models.pool import ModelPool
from premask.prompts import Hint
from premask.runs.pipeline import label


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


@pytest.mark.parametrize(("at_once", "expected"), [(1, 4), (12, 12)])
def test_batches_are_as_large_as_the_model_takes_them(
    at_once: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    class Roomy:
        images_at_once = at_once

        def find(self, images: Sequence[Image], prompts: Any, options: Any) -> list[list[Hint]]:
            batches.append(len(images))
            return [[] for _ in images]

    class Outliner:
        def embed(self, images: Sequence[Image]) -> list[object]:
            return []

        def segment(self, embeddings: Any, hints: Any, options: Any) -> list[object]:
            return []

    monkeypatch.setattr(
        pool, "build", lambda family, *_: Roomy() if family == "haar" else Outliner()
    )
    images = [np.zeros((8, 8, 3), np.uint8)] * 24
    shared = ModelPool(device="cpu")
    assert not any(found.error for found in label(images, "faces", pool=shared))
    assert batches == [expected] * (24 // expected)
    batches.clear()
    assert len(list(label(images[:6], "faces", pool=shared, batch_size=3))) == 6
    assert batches == [3, 3]


def test_models_make_room_for_the_next_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two that fit together, the one that was used longest ago goes."""
    loads: list[str] = []

    def noted_build(family: str, weights: Path, device: str) -> object:
        loads.append(weights.name)
        return object()

    monkeypatch.setattr(pool, "build", noted_build)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(bytes(100))
    a, b, c = (f"u2net:{tmp_path / name}" for name in ("a", "b", "c"))
    shared = ModelPool(device="cpu", memory_bytes=200)
    for name in (a, b, a, c, a):
        shared.load(name)
    assert loads == ["a", "b", "c"]
    shared.load(b)
    shared.load(a)
    assert loads == ["a", "b", "c", "b"]
    shared.unload(a)
    shared.load(a)
    assert loads[4:] == ["a"]


def test_a_model_in_use_is_kept_and_goes_when_nobody_uses_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pool, "build", lambda family, weights, device: object())
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(bytes(100))
    a, b, c = (f"u2net:{tmp_path / name}" for name in ("a", "b", "c"))
    shared = ModelPool(device="cpu", memory_bytes=100)
    with shared.using([a]), shared.using([a, b]):
        for name in (a, b, c):
            shared.load(name)
        assert shared.loaded_bytes() == {a: 100, b: 100, c: 100}
    assert shared.loaded_bytes() == {c: 100}


def test_recipes_of_many_threads_share_little_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Models are freed all the time, and each is there as long as its recipe runs."""

    class Model:
        pass

    alive: weakref.WeakSet[Model] = weakref.WeakSet()

    def noted_build(family: str, weights: Path, device: str) -> Model:
        model = Model()
        alive.add(model)
        return model

    monkeypatch.setattr(pool, "build", noted_build)
    names = [f"sam:{tmp_path / str(number)}" for number in range(6)]
    for number in range(6):
        (tmp_path / str(number)).write_bytes(bytes(100))
    shared = ModelPool(device="cpu", memory_bytes=250)

    def use(turn: int) -> bool:
        name = names[turn % 6]
        with shared.using([name]):
            shared.load(name)
            time.sleep(0.001)
            return name in shared.loaded_bytes()

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(use, range(60)))
    assert sum(shared.loaded_bytes().values()) <= 250
    assert len(alive) == len(shared.loaded_bytes())


def test_a_model_that_is_too_large_is_loaded_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pool, "build", lambda family, weights, device: weights)
    (tmp_path / "large").write_bytes(bytes(300))
    shared = ModelPool(device="cpu", memory_bytes=200)
    assert shared.load(f"u2net:{tmp_path / 'large'}") == tmp_path / "large"
