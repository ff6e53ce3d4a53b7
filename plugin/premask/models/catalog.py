"""Checkpoints: the entries of catalog.toml and of a person's own file, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from premask.errors import InvalidSetting, UnknownModel
from premask.models.local_weights import family_of, is_path, local_path
from premask.models.registry import FAMILIES, Stage
from premask.models.weights.kinds import HubWeights, LocalWeights, PackagedWeights, Weights
from premask.models.weights.paths import own_catalog
from premask.settings import checked, require_known, setting, settings_of
from premask.toml import TomlError, parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One model that a recipe can name."""

    name: str
    help: str = setting("", help="one sentence")
    family: str = setting(help="see registry.py", choices=tuple(FAMILIES))
    license: str = setting("not stated", help="SPDX name")
    homepage: str = setting("", help="where it comes from")
    parameters: str = setting("", "how many")
    input: str = setting("", "size that the network sees, width x height")
    evidence: str = setting("", "where the above was seen, for those who can't look themselves")
    unconfirmed: tuple[str, ...] = setting((), "what of it nobody has seen yet")
    weights: Weights | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that it can answer."""
        return FAMILIES[self.family].stages

    @property
    def listens_to(self) -> tuple[str, ...]:
        """How its family can be told what to look for: "phrases", "exemplars"."""
        return FAMILIES[self.family].prompts

    @property
    def is_guided(self) -> bool:
        """Whether it mattes the edge of a mask that it is given, and nothing else."""
        return FAMILIES[self.family].guided

    @property
    def extra(self) -> str:
        """The optional dependencies of premask that it needs."""
        return FAMILIES[self.family].extra

    def needs_prompts(self, options: Any) -> bool:
        """Whether, with these options, it finds only what it is told to look for."""
        return FAMILIES[self.family].needs_prompts(options)

    def options_for(self, stage: Stage) -> Any:
        """The family's settings in this stage, as they suit this checkpoint."""
        options_type = FAMILIES[self.family].options_type(stage)
        own = settings_of(options_type)
        known = {name: value for name, value in self.options.items() if name in own}
        return checked(options_type, known, f"[{self.name}.options]: ")


@cache
def catalog() -> dict[str, Checkpoint]:
    """The checkpoints that come with premask, by name."""
    text = files("premask.models").joinpath("catalog.toml").read_text(encoding="utf-8")
    return _checkpoints(parse_toml(text), "catalog.toml")


def own_models() -> Mapping[str, Checkpoint]:
    """The checkpoints of a person's own file, by name; none where there is no such file."""
    version = own_catalog_version()
    return {} if version is None else _own_models(version)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogVersion:
    """Which file it is, and what changes when it does."""

    path: Path
    inode: int
    size: int
    modified_ns: int


def own_catalog_version() -> CatalogVersion | None:
    """The version of a person's own file; None where there is no such file."""
    path = own_catalog()
    if not path.is_file():
        return None
    status = path.stat()
    return CatalogVersion(
        path=path, inode=status.st_ino, size=status.st_size, modified_ns=status.st_mtime_ns
    )


def known_models() -> dict[str, Checkpoint]:
    """The checkpoints of the catalog and of the person's own file; the own ones take precedence."""
    return {**catalog(), **own_models()}


def checkpoint_of(name: str) -> Checkpoint:
    """The checkpoint of this name, or of a file or folder: `./my.pt`, `sam2:./folder`."""
    own = own_models()
    if name in own:
        return own[name]
    if name in catalog():
        return catalog()[name]
    if is_path(name):
        return Checkpoint(
            name=name,
            help="Your own weights",
            family=family_of(name),
            weights=LocalWeights(path=str(local_path(name))),
        )
    raise UnknownModel(name, known_models())


# A form asks for a dozen checkpoints at every key that is pressed: the file is parsed once.
@lru_cache(maxsize=1)
def _own_models(version: CatalogVersion) -> Mapping[str, Checkpoint]:
    path = version.path
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise InvalidSetting(f"Your own models in {path} can't be read: {error}.") from error
    own = _checkpoints(table, str(path))
    return {name: _with_absolute_path(own[name], path.parent) for name in own}


def _checkpoints(table: Mapping[str, Any], source: str) -> dict[str, Checkpoint]:
    return {name: _checkpoint(name, entry, source) for name, entry in table.items()}


def _checkpoint(name: str, table: Any, source: str) -> Checkpoint:
    where = f"{source}, [{name}]: "
    if not isinstance(table, dict):
        raise InvalidSetting(f"{where}a model is a table with a family and weights.")
    plain = {key: value for key, value in table.items() if key not in ("weights", "options")}
    weights = _weights(table.get("weights"), f"{where}weights.")
    options = table.get("options", {})
    checkpoint = checked(Checkpoint, plain, where, name=name, weights=weights, options=options)
    _require_fitting(checkpoint, f"{where}options.")
    return checkpoint


def _require_fitting(checkpoint: Checkpoint, where: str) -> None:
    """Raise for an option that no stage of the family has, and for a value that it can't have."""
    if not isinstance(checkpoint.options, dict):
        raise InvalidSetting(f"{where.rstrip('.')} must be a table of the family's settings.")
    family = FAMILIES[checkpoint.family]
    by_stage = [settings_of(family.options_type(stage)) for stage in family.stages]
    known = {name: item for settings in by_stage for name, item in settings.items()}
    for name, value in checkpoint.options.items():
        require_known(name, known, where)
        known[name].check(value, where)


def _weights(table: Any, where: str) -> Weights | None:
    """The kind of weights that the table's keys speak of."""
    if table is None:
        return None
    kinds: dict[str, type[Weights]] = {
        "package": PackagedWeights,
        "hub": HubWeights,
        "path": LocalWeights,
    }
    named = [key for key in kinds if isinstance(table, dict) and key in table]
    if len(named) != 1:
        raise InvalidSetting(f"{where.rstrip('.')} must have one of {', '.join(kinds)}.")
    return checked(kinds[named[0]], table, where)


def _with_absolute_path(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """The same, with a local path that is relative to the folder made absolute."""
    weights = checkpoint.weights
    if not isinstance(weights, LocalWeights):
        return checkpoint
    path = folder / Path(weights.path).expanduser()
    return replace(checkpoint, weights=LocalWeights(path=str(path)))
