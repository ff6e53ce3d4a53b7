"""Weights that a person names by their path, and the family that they belong to."""

from __future__ import annotations

import json
from pathlib import Path

from premask.errors import MissingWeights, UnknownModel
from premask.models.registry import FAMILIES
from premask.models.weights.pickles import kind_of

_PICKLE_FAMILIES = {"ultralytics": "yolo", "state_dict": "sam2-official"}


def is_path(name: str) -> bool:
    """Whether the name is one of a file or a folder.

    >>> is_path("./my.pt"), is_path("sam2:weights/tuned"), is_path("sam2-tiny")
    (True, True, False)
    """
    _, path = _split(name)
    return "/" in path or "\\" in path or path.startswith(".") or path.endswith((".pt", ".pth"))


def local_path(name: str) -> Path:
    """The path in a name such as `./my.pt` or `sam2:./folder`."""
    return Path(_split(name)[1]).expanduser()


def family_of(name: str) -> str:
    """The family that the name begins with, as in `sam2:./folder`, or else what the files say."""
    family, _ = _split(name)
    path = local_path(name)
    if not path.exists():
        raise MissingWeights(
            f"There is no file or folder '{path}'. Check the path of your weights."
        )
    if family:
        return family
    return _family_of_folder(path) if path.is_dir() else _PICKLE_FAMILIES[kind_of(path)]


def _split(name: str) -> tuple[str, str]:
    """Family and path; the family is empty where none is named."""
    family, colon, path = name.partition(":")
    return (family, path) if colon and family in FAMILIES else ("", name)


def _family_of_folder(path: Path) -> str:
    """The first family that knows the `model_type` of the folder's config.json."""
    try:
        settings = json.loads((path / "config.json").read_text(encoding="utf-8"))
        found = str(settings["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingWeights(
            f"'{path}' is no folder of weights: it has no config.json that says a model_type. Name "
            "a folder as save_pretrained writes it, or say the family, as in sam2:./folder."
        ) from error
    by_type = {
        model_type: name for name, family in FAMILIES.items() for model_type in family.model_types
    }
    if found not in by_type:
        raise UnknownModel(found, by_type, where=f"{path}: ")
    return by_type[found]
