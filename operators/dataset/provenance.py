"""Who made a label, and with which settings: attributes of the label and of what holds it.

They travel with the field when it is renamed, cloned or deleted. What holds the labels of a sample
says that somebody looked, even if there was nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
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

ACCEPTED, REJECTED = "accepted", "rejected"
"""The tags that are a person's verdict on a label, or on a sample."""

PEOPLE = "label_studio_"
"""How the names begin of what Label Studio said of a label, or of what holds it: who, and when."""

_SEAL = "premask_seal"
_MADE = "premask_made"
_NOT_SEALED = {"id", "_id", "_cls", "tags"}
"""What FiftyOne adds to a label, and its tags, which count for themselves."""

_BRAIN_SETTINGS = ("mistakenness_field", "missing_field", "spurious_field")
"""Settings of `fiftyone.brain.compute_mistakenness` that name attributes which it writes."""


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

    def on_label(self, label: Any) -> dict[str, Any]:
        """Mark a label: who made it, and a hash that tells later whether it was changed."""
        seal = content_hash(label)
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


def is_untouched(label: Any, computed: Set[str]) -> bool:
    """Whether a run wrote the label, and nobody has changed or tagged it since.

    That a person rejected it is no reason to keep it. `computed` attributes are those of
    `computed_attributes`.
    """
    if run_of(label) is None or set(attribute(label, "tags") or ()) - {REJECTED}:
        return False
    return bool(attribute(label, _SEAL) == _seal(_content(label, computed)))


def is_replaceable(label: Any, computed: Set[str]) -> bool:
    """Whether a recipe made the label, and nobody has changed or tagged it since.

    What was imported may be a person's work. What was rejected stays, or it would be found again.
    """
    is_tagged = bool(attribute(label, "tags"))
    return attribute(label, RECIPE) is not None and not is_tagged and is_untouched(label, computed)


def content_seal(label: Any, computed: Set[str]) -> str:
    """A hash of what a person may change, and behind a dot one of the tags.

    It stays the same when a label gets `PEOPLE`'s attributes, or those that were `computed`.
    """
    content = _content(label, computed)
    own = {name: value for name, value in content.items() if not name.startswith(PEOPLE)}
    return f"{_seal(own)}.{_seal({'tags': sorted(label.tags or ())})[:6]}"


def computed_attributes(samples: Any) -> frozenset[str]:
    """The attributes that FiftyOne's evaluations and analyses of this dataset put into labels.

    Whoever lets FiftyOne compare labels has not corrected them.
    """
    names = list(samples.list_evaluations())
    for key in samples.list_brain_runs():
        config = samples.get_brain_info(key).config
        names += [getattr(config, setting, "") for setting in _BRAIN_SETTINGS]
    # `_loc` is the brain's: how far a box may be off.
    endings = ("", "_id", "_iou", "_loc")
    return frozenset(f"{name}{ending}" for name in names if name for ending in endings)


def is_made(holder: Any) -> bool:
    """Whether the sample had no labels at all in this field before premask looked."""
    return bool(attribute(holder, _MADE))


def has_others(samples: Any, field: str) -> bool:
    """Whether a sample had labels in this field, or an empty list, before premask looked."""
    others = {field: {"$ne": None}, f"{field}.{_MADE}": {"$ne": True}}
    return bool(len(samples.mongo([{"$match": others}, {"$limit": 1}])))


def forgotten(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the holder without the marks that somebody looked."""
    return {name: holder[name] for name in holder if name not in (RUN, KEY, IMAGE)}


def attribute(label: Any, name: str) -> Any:
    """A dynamic attribute, or None: FiftyOne raises for one that was never set."""
    return label[name] if label is not None and label.has_field(name) else None


def content_hash(label: Any) -> str:
    """A hash of all that a person may change of a label, except its tags."""
    return _seal(_content(label))


def _content(label: Any, computed: Set[str] = frozenset()) -> dict[str, Any]:
    """What a person may change: the class, the place, the pixels, the attributes."""
    return {
        name: label[name]
        for name in sorted(label.field_names)
        if name not in _NOT_SEALED and name not in computed and not name.startswith("premask_")
    }


def _seal(content: Mapping[str, Any]) -> str:
    """A hash of all values; where there is nothing, it makes no difference what was left out."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in content.items():
        if value is None or (isinstance(value, (dict, list, tuple)) and not value):
            continue
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(repr(value.shape).encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        elif name.endswith("_path"):
            path = Path(value)
            digest.update(path.read_bytes() if path.is_file() else b"gone")
        else:
            digest.update(json.dumps(value, default=_plain, sort_keys=True).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """What JSON has no word for, such as an attribute that is a document or a date."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
