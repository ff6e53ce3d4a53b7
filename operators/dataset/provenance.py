"""Who made a label, and with which settings: attributes of the label and of what holds it.

They travel with the field when it is renamed, cloned or deleted. What holds the labels of a sample
says that somebody looked, even if there was nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RUN = "premask_run"
RECIPE = "premask_recipe"
KEY = "premask_key"
"""Recipe, settings and phrases with which a sample was looked at."""

IMAGE = "premask_image"
"""The file that was looked at, as `version_of` names it."""

_SEAL = "premask_seal"
_MADE = "premask_made"
_CONTENT = ("label", "bounding_box", "points", "mask", "mask_path", "map", "map_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a sample was looked at: `key` sums up recipe, settings and prompts; `image` is a version.

    Equal looks give equal labels. `image` is None where pixels play no part.
    """

    key: str
    image: str | None

    def is_outdated(self, image: str | None) -> bool:
        """Whether the file is another one by now."""
        return None not in (self.image, image) and self.image != image


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The marks that a run leaves on what it writes; an import has no recipe."""

    run: str
    recipe: str | None = None

    def on_label(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Mark a label: who made it, and a hash that tells later whether it was changed."""
        seal = _seal({name: fields.get(name) for name in _CONTENT})
        made_by = {RUN: self.run, RECIPE: self.recipe} if self.recipe else {RUN: self.run}
        return made_by | {_SEAL: seal}

    def on_holder(self, look: Look | None, *, new: bool) -> dict[str, Any]:
        """Mark what holds the labels of a sample, so that an empty result is known to be one."""
        looked = {RUN: self.run, KEY: look.key, IMAGE: look.image} if look else {}
        return looked | {RUN: self.run, _MADE: True} if new else looked


def version_of(filepath: str) -> str:
    """Identify a file by size and date: a digest would mean to read all images beforehand."""
    try:
        status = Path(filepath).stat()
    except (OSError, ValueError):
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns}"


def look_at(holder: Any) -> Look:
    """How the sample was looked at last; an unknown look equals no other."""
    return Look(key=attribute(holder, KEY) or "", image=attribute(holder, IMAGE))


def run_of(label: Any) -> str | None:
    """The run that wrote the label, or looked last at what the holder holds."""
    run: str | None = attribute(label, RUN)
    return run


def is_untouched(label: Any) -> bool:
    """Whether a run wrote the label, and nobody has changed or tagged it since."""
    if run_of(label) is None or attribute(label, "tags"):
        return False
    content = {name: attribute(label, name) for name in _CONTENT}
    return bool(attribute(label, _SEAL) == _seal(content))


def is_replaceable(label: Any) -> bool:
    """Whether a recipe made the label, and nobody has changed or tagged it since.

    What was imported may be a person's work.
    """
    return attribute(label, RECIPE) is not None and is_untouched(label)


def is_made(holder: Any) -> bool:
    """Whether the sample had no labels at all in this field before premask looked."""
    return bool(attribute(holder, _MADE))


def forgotten(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the holder without the marks that somebody looked."""
    return {name: holder[name] for name in holder if name not in (RUN, KEY, IMAGE)}


def attribute(label: Any, name: str) -> Any:
    """A dynamic attribute, or None: FiftyOne raises for one that was never set."""
    return label[name] if label is not None and label.has_field(name) else None


def _seal(content: Mapping[str, Any]) -> str:
    """A hash of what a person may change: the class, the place, the pixels."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in content.items():
        if value is None:
            continue
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(repr(value.shape).encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        elif name.endswith("_path"):
            path = Path(value)
            digest.update(path.read_bytes() if path.is_file() else b"gone")
        else:
            digest.update(json.dumps(value).encode())
    return digest.hexdigest()
