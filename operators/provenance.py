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
"""Recipe, settings and phrases with which a sample was looked at; same key, same labels."""

_SEAL = "premask_seal"
_MADE = "premask_made"
_CONTENT = ("label", "bounding_box", "points", "mask", "mask_path", "map", "map_path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a run leaves on everything that it writes."""

    run: str
    recipe: str

    def on_label(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a label, signed and sealed."""
        seal = _seal({name: fields.get(name) for name in _CONTENT})
        return {**fields, RUN: self.run, RECIPE: self.recipe, _SEAL: seal}

    def on_holder(self, holder: Any, key: str, *, new: bool) -> Any:
        """What holds the labels of a sample: it was looked at."""
        holder[RUN], holder[KEY] = self.run, key
        if new:
            holder[_MADE] = True
        return holder


def run_of(label: Any) -> str | None:
    """The run that wrote the label, or looked last at what the holder holds."""
    run: str | None = attribute(label, RUN)
    return run


def is_untouched(label: Any) -> bool:
    """Whether premask wrote the label, and nobody has changed or tagged it since."""
    if run_of(label) is None or attribute(label, "tags"):
        return False
    content = {name: attribute(label, name) for name in _CONTENT}
    return bool(attribute(label, _SEAL) == _seal(content))


def is_made(holder: Any) -> bool:
    """Whether the sample had no labels at all in this field before premask looked."""
    return bool(attribute(holder, _MADE))


def forget(holder: Any) -> Any:
    """Nobody looked."""
    for name in (RUN, KEY, _MADE):
        if attribute(holder, name) is not None:
            holder[name] = None
    return holder


def attribute(label: Any, name: str) -> Any:
    """A dynamic attribute, or None: FiftyOne raises for one that was never set."""
    return label[name] if label is not None and label.has_field(name) else None


def _seal(content: Mapping[str, Any]) -> str:
    """A hash of what a person may change: the class, the place, the pixels."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in content.items():
        if value is not None:
            digest.update(name.encode() + _bytes(name, value))
    return digest.hexdigest()


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return repr(value.shape).encode() + np.ascontiguousarray(value).tobytes()
    if name.endswith("_path"):
        path = Path(value)
        return path.read_bytes() if path.is_file() else b"gone"
    return json.dumps(value).encode()
