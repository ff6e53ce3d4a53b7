"""Where weights, embeddings and a person's own catalog lie; the environment is read here."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """`$PREMASK_HOME`; without the variable, a folder in the user's cache."""
    named = os.environ.get("PREMASK_HOME")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "premask"


def weights_folder() -> Path:
    """Weights from the package index. Those from the model hub lie in the hub's own cache."""
    return home() / "weights"


def embeddings_folder() -> Path:
    """What models remember of images."""
    return home() / "embeddings"


def own_catalog() -> Path:
    """A person's own models, in the syntax of catalog.toml."""
    named = os.environ.get("PREMASK_HOME")
    if named:
        return Path(named) / "models.toml"
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "premask" / "models.toml"
