"""Names for pieces of work with a recipe: the same key promises the same annotations."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from premask.images import digest_of
from premask.prompts import Prompts
from premask.recipes.recipe import Recipe


class WorkKeys:
    """The keys of one recipe. They follow its settings, its weights, and what else is decisive.

    The weights are looked at once: models that are loaded stay, whatever happens to their files.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._fingerprint = recipe.fingerprint

    def key(self, prompts: Prompts, *decisive: object) -> str:
        """A short text that changes with the prompts and with anything else that is decisive.

        That is numbers, texts, tuples, and dataclasses of these. The pixels of a rough mask count,
        too. Fields of dataclasses that have their defaults don't: one that is added in a later
        version changes no key.
        """
        parts = [self._fingerprint, prompts, *decisive]
        return digest_of(json.dumps(parts, default=_plain, sort_keys=True).encode())


def _plain(value: object) -> Any:
    """What JSON has for a value that it does not know."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, np.generic):
        return value.item()
    # A repr would do for most, but those with an address in it differ from process to process.
    raise TypeError(f"{type(value).__name__} can't be part of a work key")
