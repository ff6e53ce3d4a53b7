"""What the files of a family may lack, or hold beyond what its network needs, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

Names = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDifferences:
    """Between a network and files that other versions of its library wrote.

    `may_lack` and `may_hold` are patterns of weights' names, each with its reason. `same_as` says
    which weight has the numbers of one that the file does not name: a pattern, and what replaces
    it. Older versions held such weights to be one, and wrote them under one name.
    """

    may_lack: Names = field(default_factory=dict)
    may_hold: Names = field(default_factory=dict)
    same_as: Names = field(default_factory=dict)

    def unexplained(
        self, missing: Collection[str], left_over: Collection[str]
    ) -> dict[str, list[str]]:
        """The names that no pattern knows, as transformers calls the two kinds."""
        lacking = (name for name in missing if self._source(name) in (None, *missing))
        return {
            "missing_keys": _unknown(lacking, self.may_lack),
            "unexpected_keys": _unknown(left_over, self.may_hold),
        }

    def share(self, model: Any, missing: Collection[str], written: Collection[str]) -> None:
        """Let weights that the file does not name be those that it does.

        transformers may have made up the numbers, or taken them from a neighbor.
        """
        for name in list(model.state_dict()) if self.same_as else ():
            source = self._source(name)
            if source and name not in written and (name in missing or source in written):
                module, _, own = name.rpartition(".")
                setattr(model.get_submodule(module), own, _tensor(model, source))

    def _source(self, name: str) -> str | None:
        for pattern, source in self.same_as.items():
            if re.fullmatch(pattern, name):
                return re.sub(pattern, source, name)
        return None


NO_DIFFERENCES = KnownDifferences()


def _unknown(names: Iterable[str], patterns: Collection[str]) -> list[str]:
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def _tensor(model: Any, name: str) -> torch.Tensor:
    module, _, own = name.rpartition(".")
    tensor: torch.Tensor = getattr(model.get_submodule(module), own)
    return tensor
