"""A person's own weights are watched: others are told once, when they are written."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import pytest

from premask.errors import MissingWeights
from premask.models import pool
from premask.models.pool import ModelPool
from premask.models.weights.watching import WatchedWeights


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path, own_home: None) -> Path:
    path = tmp_path / "tuned.pt"
    path.write_bytes(b"first")
    return path


def replace_with(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def test_other_weights_are_told_once_after_they_are_written(file: Path) -> None:
    watched = WatchedWeights(file)
    assert not watched.is_new()
    with file.open("wb") as writing:
        for part in (b"se", b"co", b"nd"):
            writing.write(part)
            writing.flush()
            assert not watched.is_new()
            assert watched.is_being_written
    assert watched.is_new()
    assert not watched.is_being_written
    assert [watched.is_new() for _ in range(3)] == [False, False, False]


def test_the_same_bytes_again_are_nothing_new(file: Path) -> None:
    watched = WatchedWeights(file)
    replace_with(file, b"first")
    os.utime(file, (1, 1))
    assert [watched.is_new() for _ in range(3)] == [False, False, False]
    replace_with(file, b"fresh")  # as long as before
    assert [watched.is_new() for _ in range(3)] == [False, True, False]


def test_weights_that_are_gone_for_a_while_are_told_when_they_are_back(file: Path) -> None:
    watched = WatchedWeights(file)
    file.unlink()
    assert [watched.is_new() for _ in range(3)] == [False, False, False]
    assert watched.is_gone
    file.write_bytes(b"second")
    assert [watched.is_new() for _ in range(3)] == [False, True, False]


def test_a_folder_counts_without_what_trainers_leave_in_it(tmp_path: Path, own_home: None) -> None:
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    watched = WatchedWeights(folder)
    (folder / "optimizer.pt").write_bytes(b"gigabytes")
    assert [watched.is_new() for _ in range(2)] == [False, False]
    (folder / "model.safetensors").write_bytes(b"\xff" + bytes(7) + b"{}")
    assert [watched.is_new() for _ in range(2)] == [False, True]
    assert "ends before the list of its tensors does" in watched.what_is_broken()


class Model:
    """Stands for a network."""


def test_a_renewed_pool_loads_one_model_anew_and_the_old_one_is_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "build", lambda family, weights, device: Model())
    old = ModelPool(device="cpu")
    kept, replaced = old.load("grabcut"), weakref.ref(old.load("haar-face"))
    new = old.renewed("haar-face")
    assert old.load("haar-face") is replaced()
    assert new.load("grabcut") is kept
    assert new.load("haar-face") is not replaced()
    assert new.embeddings is old.embeddings
    del old
    gc.collect()
    assert replaced() is None


def test_a_pool_that_can_t_be_renewed_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "build", lambda family, weights, device: Model())
    old = ModelPool(device="cpu")
    model = old.load("haar-face")

    def broken(family: str, weights: Any, device: str) -> object:
        raise MissingWeights("it is broken")

    monkeypatch.setattr(pool, "build", broken)
    with pytest.raises(MissingWeights):
        old.renewed("haar-face")
    assert old.load("haar-face") is model
    assert old.renewed("grabcut").load("haar-face") is model
