"""A folder of weights before it is loaded: what of it is read, and whether that can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open

from premask.errors import MissingWeights
from premask.models.weights.pickles import TENSORS, require_known

CONFIG = "config.json"
SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
ADVICE = "Download the model again, or copy the file there."

WeightsFormat = Literal["safetensors", "pickle"]


def require_readable_settings(folder: Path) -> dict[str, Any]:
    """What config.json says; `MissingWeights` without it, or if a JSON file there is broken."""
    if not (folder / CONFIG).is_file():
        raise MissingWeights(
            f"There is no {folder / CONFIG}, which says what the weights beside it are. {ADVICE}"
        )
    settings = {path.name: _settings_in(path) for path in sorted(folder.glob("*.json"))}
    config = settings[CONFIG]
    if not isinstance(config, dict):
        raise MissingWeights(f"{folder / CONFIG} says nothing of a model. {ADVICE}")
    return config


def _settings_in(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingWeights(f"{path} can't be read: {error}. {ADVICE}") from error


def readable_weights(folder: Path) -> tuple[WeightsFormat, frozenset[str]]:
    """How the folder's weights are written, and their names; `MissingWeights` if they are broken.

    Pickles are read where there is nothing better, and only if they hold nothing but tensors.
    """
    files = _weight_files(folder, SAFETENSORS)
    if files:
        return "safetensors", frozenset().union(*map(_names_in_safetensors, files))
    files = _weight_files(folder, PICKLE)
    if files:
        return "pickle", frozenset().union(*map(_names_in_pickle, files))
    raise MissingWeights(f"There is neither {SAFETENSORS} nor {PICKLE} in {folder}. {ADVICE}")


def _weight_files(folder: Path, name: str) -> list[Path]:
    """The file of this name, or all its parts if it was too large for one."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise MissingWeights(f"{index} can't be read: {error!r}. {ADVICE}") from error
    # A name with folders in it could lead out of this one.
    files = [folder / Path(str(part)).name for part in sorted(names, key=str)]
    for path in files:
        if not path.is_file():
            raise MissingWeights(f"There is no {path}, which {index.name} names. {ADVICE}")
    return files


def _names_in_safetensors(path: Path) -> frozenset[str]:
    """Its header has to be one of safetensors, and the file as long as that says."""
    try:
        with safe_open(path, framework="pt") as weights:
            return frozenset(weights.keys())
    except (SafetensorError, OSError) as error:
        raise MissingWeights(
            f"{path} is no file of safetensors, or not all of it ({error}). {ADVICE}"
        ) from error


def _names_in_pickle(path: Path) -> frozenset[str]:
    """Scanned first. torch checks the same in its own way, and that the numbers are all there."""
    require_known(path, TENSORS)
    try:
        weights = torch.load(path, map_location="meta", weights_only=True)
    except Exception as error:
        raise MissingWeights(
            f"{path} can't be read as torch.save wrote it ({_first_line(error)}). {ADVICE}"
        ) from error
    named = isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
    if not named or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise MissingWeights(f"{path} holds something else than a model's weights. {ADVICE}")
    return frozenset(weights)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
