"""Repositories of the hub without safetensors, fetched by its own client from a loopback hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from premask.models.registry import build
from tests.fake_hub import serving
from tests.tiny import TinyModels

SCRIPT = """
from premask.errors import PremaskError
from premask.models.catalog import Checkpoint
from premask.models.weights.download import download, download_size
from premask.models.weights.installed import located_weights
from premask.models.weights.kinds import HubWeights

net = Checkpoint(name="net", family="segformer", weights=HubWeights(hub="owner/net"))
print(download_size(net))
try:
    download(net)
    print(download_size(net), located_weights(net), sep="\\n")
except PremaskError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny = TinyModels(tmp_path_factory.mktemp("tiny"))["segformer"]
    return Path(tiny.partition(":")[2])


@pytest.fixture
def repository(segformer: Path, tmp_path: Path) -> Path:
    """A tiny SegFormer as it was published before there were safetensors, and a program with it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for file in segformer.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "modeling.py").write_text("raise SystemExit")
    torch.save(load_file(segformer / "model.safetensors"), folder / "pytorch_model.bin")
    return folder


def fetched(repository: Path, home: Path) -> tuple[list[str], set[str]]:
    """What the script says with an empty cache, and which files were asked for."""
    with serving("owner/net", repository) as (address, asked):
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        settings |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
        finished = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines(), set(asked)


def test_weights_in_one_pickle_come_and_load(repository: Path, tmp_path: Path) -> None:
    size = sum(file.stat().st_size for file in repository.iterdir() if file.suffix != ".py")
    said, asked = fetched(repository, tmp_path / "home")
    assert said[0] == str(size)
    assert said[1] == "0"
    build("segformer", Path(said[2]), "cpu")
    assert "pytorch_model.bin" in asked
    assert "modeling.py" not in asked


def test_weights_in_parts_come_and_load(repository: Path, tmp_path: Path) -> None:
    whole = repository / "pytorch_model.bin"
    weights = torch.load(whole, weights_only=True)
    whole.unlink()
    names = sorted(weights)
    parts = {
        f"pytorch_model-0000{number}-of-00002.bin": {name: weights[name] for name in some}
        for number, some in enumerate((names[::2], names[1::2]), 1)
    }
    for name, part in parts.items():
        torch.save(part, repository / name)
    table = {name: file for file, part in parts.items() for name in part}
    index = json.dumps({"metadata": {}, "weight_map": table})
    (repository / "pytorch_model.bin.index.json").write_text(index)
    said, asked = fetched(repository, tmp_path / "home")
    assert said[1] == "0"
    build("segformer", Path(said[2]), "cpu")
    assert set(parts) <= asked


def test_safetensors_are_taken_alone_where_there_are_any(
    repository: Path, segformer: Path, tmp_path: Path
) -> None:
    (repository / "model.safetensors").write_bytes((segformer / "model.safetensors").read_bytes())
    said, asked = fetched(repository, tmp_path / "home")
    assert said[1] == "0"
    assert "pytorch_model.bin" not in asked


def test_a_program_among_the_pickles_is_refused(repository: Path, tmp_path: Path) -> None:
    torch.save({"a": os.system}, repository / "pytorch_model.bin")
    said, _ = fetched(repository, tmp_path / "home")
    assert said[1].startswith("UnsafeWeights")
    assert "posix.system" in said[1]
