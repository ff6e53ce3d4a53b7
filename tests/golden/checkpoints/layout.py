"""A checkpoint's weights as names and shapes: numbers that follow from a name are made again."""

from __future__ import annotations

import json
import math
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"


def made(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The numbers of the parameter of this name: random ones, always the same.

    `RandomState` is the generator of numpy whose numbers are promised to stay as they are.
    """
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        noise *= 1.2 / math.sqrt(max(1, math.prod(shape[1:])))
    else:
        noise = 0.1 * noise + (1 if name.endswith(("weight", "running_var")) else 0)
    if name.endswith("running_var"):
        noise *= 10  # the builders of detectors take a tenth of it
    return torch.from_numpy(np.asarray(noise, np.float32))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a file of weights holds: in `tensors`, name by name, the name that it was `made` of.

    What was not made of a name, buffers for instance, is in `others` as it was.
    """

    file: str
    tensors: Mapping[str, tuple[tuple[int, ...], str]]
    others: Mapping[str, NDArray[Any]]

    def to_json(self) -> str:
        return json.dumps({"file": self.file, "tensors": self.tensors}, indent=0)


def read_layout(folder: Path, names: Mapping[str, tuple[int, ...]]) -> Layout:
    """The layout of the weights in a folder, made of some of these names and shapes."""
    path = folder / SAFETENSORS if (folder / SAFETENSORS).exists() else folder / PICKLE
    weights = load_file(path) if path.name == SAFETENSORS else torch.load(path, weights_only=True)
    tensors, others = {}, {}
    for key, tensor in weights.items():
        shape = tuple(tensor.shape)
        source = _source(key, tensor, names)
        tensors[key] = (shape, source)
        if not source:
            others[key] = tensor.numpy()
    return Layout(file=path.name, tensors=tensors, others=others)


def write_weights(
    folder: Path, described: Mapping[str, Any], others: Mapping[str, NDArray[Any]]
) -> None:
    """The file that `read_layout` read, tensor for tensor, from its JSON and its other numbers."""
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    for key, (shape, source) in described["tensors"].items():
        plain = made(source, tuple(shape)) if source else torch.from_numpy(np.array(others[key]))
        weights[key] = plain
    if described["file"] == PICKLE:
        torch.save(weights, folder / PICKLE)
    else:
        save_file(weights, folder / SAFETENSORS, metadata={"format": "pt"})


def _source(key: str, tensor: torch.Tensor, names: Mapping[str, tuple[int, ...]]) -> str:
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point():
        return ""
    alike = (name for name, own in names.items() if own == shape and name != key)
    return next(
        (name for name in (key, *alike) if torch.equal(made(name, shape), tensor)),
        "",
    )
