"""Reads Ultralytics' .pt files, which are pickles, without running anything that they name."""

from __future__ import annotations

import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from premask.errors import MissingWeights, UnsafeWeights
from premask.models.families.yolo.library import (
    DEFAULT_CFG_DICT,
    activation,
    block,
    conv,
    head,
    loss,
    tal,
    tasks,
    transformer,
    utils,
)
from premask.models.weights.pickles import TENSORS, require_known

LAYERS = (
    *(
        nn.AdaptiveAvgPool2d,
        nn.AdaptiveMaxPool2d,
        nn.AvgPool2d,
        nn.BatchNorm1d,
        nn.BatchNorm2d,
        nn.Conv2d,
    ),
    *(nn.ConvTranspose2d, nn.Dropout, nn.Embedding, nn.GELU, nn.Hardswish, nn.Identity),
    *(nn.LayerNorm, nn.LeakyReLU, nn.Linear, nn.MaxPool2d, nn.Mish, nn.ModuleList, nn.Module),
    *(nn.MultiheadAttention, nn.ReLU, nn.Sequential, nn.Sigmoid, nn.SiLU, nn.Softmax, nn.Upsample),
    *(nn.ZeroPad2d, nn.modules.linear.NonDynamicallyQuantizableLinear),
)
"""The layers of torch that Ultralytics' models are made of."""

PLAIN_VALUES = frozenset(["_codecs.encode", "builtins.set", "torch.device", *TENSORS])

_torchs_list_of_safe_names = threading.Lock()


class _OnlyFilled(type):
    """The type of classes whose objects a file may fill with data, but that it can't call.

    Calls with arguments from a file are not safe: Ultralytics' models evaluate texts in them.
    """

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        raise UnsafeWeights(
            f"The file calls {cls.__module__}.{cls.__qualname__}, which no checkpoint does. It was "
            "not loaded: do not use it, and tell whoever gave it to you."
        )


class _Unused:
    """Takes the place of what files hold beside the model: paths, losses, settings of training."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_model(path: Path) -> Any:
    """The model in the file, in full floats, ready to predict."""
    checkpoint = _loaded(path)
    # `ema` is the average that trained models are used by; a finished training moves it to `model`.
    candidates = [checkpoint.get(key) for key in ("ema", "model")] if _is_dict(checkpoint) else []
    model = next(
        (candidate for candidate in candidates if isinstance(candidate, tasks.BaseModel)), None
    )
    if model is None:
        raise MissingWeights(f"'{path}' holds no model of Ultralytics, only parts of one.")
    for module in model.modules():
        if isinstance(type(module), _OnlyFilled):
            module.__class__ = type(module).__base__
    settings = checkpoint.get("train_args")
    model.args = {**DEFAULT_CFG_DICT, **(settings if _is_dict(settings) else {})}
    return _checked(model.float().eval().requires_grad_(False), path)


def _loaded(path: Path) -> Any:
    known = _known_classes()
    names = require_known(path, known.keys() | PLAIN_VALUES)
    with (
        _torchs_list_of_safe_names,
        torch.serialization.safe_globals([(known[name], name) for name in names & known.keys()]),
    ):
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _checked(model: Any, path: Path) -> Any:
    """The model, once it has run on an empty image; `MissingWeights` if it can't."""
    if not isinstance(model, tasks.DetectionModel) or isinstance(
        model, (tasks.PoseModel, tasks.OBBModel, tasks.RTDETRDetectionModel)
    ):
        raise MissingWeights(
            f"'{path}' holds a {type(model).__name__}. premask uses the models of Ultralytics that "
            "detect or segment objects."
        )
    try:
        with torch.inference_mode():
            model(torch.zeros(1, model.yaml.get("channels", 3), 64, 64))
    except Exception as error:  # whichever part is missing, the error is another one
        raise MissingWeights(
            f"The model in '{path}' is incomplete, or of a version of Ultralytics that this one "
            f"can't run ({type(error).__name__}: {error}). Get the file again, or try another "
            "version: pip install -U ultralytics-opencv-headless"
        ) from error
    return model


def _known_classes() -> dict[str, Any]:
    """What a file may name, and what stands for it while it is read."""
    layers = {_name(layer): layer for layer in LAYERS}
    parts = (activation, block, conv, head, transformer, utils, tasks)
    kinds = [kind for part in parts for kind in _defined_in(part) if issubclass(kind, nn.Module)]
    own = {_name(kind): kind for kind in kinds}
    # Up to 8.0.82 all parts were in one module.
    early = {f"ultralytics.nn.modules.{kind.__name__}": kind for kind in kinds}
    renamed = {
        "ultralytics.nn.modules.block.Silence": nn.Identity,
        "ultralytics.nn.tasks.YOLOv10DetectionModel": tasks.DetectionModel,
    }
    filled = {**layers, **early, **own, **renamed}
    stand_ins = {
        name: _OnlyFilled(
            kind.__name__,
            (kind,),
            {"__module__": kind.__module__, "__qualname__": kind.__qualname__},
        )
        for name, kind in filled.items()
    }
    return {**stand_ins, **dict.fromkeys(_names_beside_the_model(), _Unused)}


def _defined_in(module: ModuleType) -> list[type]:
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return [kind for kind in classes if kind.__module__ == module.__name__]


def _names_beside_the_model() -> list[str]:
    return [
        *(_name(kind) for module in (loss, tal) for kind in _defined_in(module)),
        "ultralytics.utils.loss.v10DetectLoss",  # renamed since
        "torch.nn.modules.loss.BCEWithLogitsLoss",
        "ultralytics.utils.IterableSimpleNamespace",
        "ultralytics.yolo.utils.IterableSimpleNamespace",
        # The segmentation models of 2023 and 2024 keep a reference to `Detect.forward`.
        "builtins.getattr",
        "numpy.dtype",
        *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
        *(
            f"{module}.{kind}Path"
            for module in ("pathlib", "pathlib._local")
            for kind in ("Posix", "Windows", "PurePosix", "PureWindows")
        ),
    ]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
