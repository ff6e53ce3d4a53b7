"""The kinds of weights: a file in a wheel, a repository of the model hub, a person's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from premask.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedWeights:
    """Weights that lie as one file in a wheel of the package index."""

    package: str = setting(help="name on the package index")
    version: str = setting(help="exact version")
    file: str = setting(help="path inside the wheel")
    bytes: int = setting(help="size of the file", minimum=1)
    sha256: str = setting(help="hash of the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubWeights:
    """Weights that lie in a repository of the model hub."""

    hub: str = setting(help="owner/name on the model hub")
    revision: str = setting("", "commit; empty: the newest one when they are downloaded")
    file: str = setting("", "the one file that is needed; empty: safetensors and settings")
    pickled: str = setting(
        "", "a file of torch.save that is taken instead of safetensors; it is scanned before use"
    )
    bytes: int = setting(0, "size of the files; 0: not known", minimum=0)
    gated: bool = setting(False, "whether one has to ask for access first")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWeights:
    """Weights that a person has: a file, or a folder as `save_pretrained` writes it."""

    path: str = setting(help="a file or a folder; relative to the file that says so")


Weights = PackagedWeights | HubWeights | LocalWeights


class Weighted(Protocol):
    """What this room needs to know of a checkpoint: its weights, and words for its messages."""

    @property
    def weights(self) -> Weights | None: ...

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def license(self) -> str: ...

    @property
    def homepage(self) -> str: ...
