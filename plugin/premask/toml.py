"""TOML texts <-> dicts; Python 3.10 has no reader for them, and no Python has a writer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TomlError = tomllib.TOMLDecodeError


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document as nested dicts; raises `TomlError`."""
    document: dict[str, Any] = tomllib.loads(text)
    return document


def inline_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML writes it on one line.

    >>> inline_toml({"model": "sam", "grow": 2, "labels": ("a", "b")})
    '{ model = "sam", grow = 2, labels = ["a", "b"] }'
    """
    # For texts, numbers, booleans and lists of them TOML's values are JSON's.
    pairs = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items())
    return "{ " + ", ".join(pairs) + " }"
