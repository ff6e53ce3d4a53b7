"""An older transformers is told how to become a newer one; pyproject.toml has the same bound."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from premask.errors import MissingDependency
from premask.models.registry import FAMILIES, OLDEST_TRANSFORMERS, build

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize("installed", ["4.57.6", "5.0.0", "5.3.0", "5.22.2"])
@pytest.mark.parametrize("family", [name for name, kind in FAMILIES.items() if kind.model_types])
def test_what_is_too_old_says_what_to_install(
    family: str, installed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: installed)
    with pytest.raises(MissingDependency, match=rf"{installed} is too old.*pip install --upgrade"):
        build(family, tmp_path, "cpu")


def test_the_bound_is_that_of_the_package() -> None:
    oldest = ".".join(map(str, OLDEST_TRANSFORMERS))
    assert f'"transformers>={oldest}"' in PROJECT.read_text(encoding="utf-8")
