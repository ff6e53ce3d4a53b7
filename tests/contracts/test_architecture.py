"""The map in docs/architecture.md names files and rooms that exist, and leaves no room out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CORE, FIFTYONE, LABEL_STUDIO = ROOT / "plugin/premask", ROOT / "operators", ROOT / "ml_backend"

NAMED = sorted(set(re.findall(r"`([\w./]+(?:\.py|\.toml|\.yml|/))`", MAP)))


def rooms(top: Path) -> list[Path]:
    return [path.parent for path in top.glob("*/__init__.py")]


@pytest.mark.parametrize("named", NAMED)
def test_what_the_map_names_is_there(named: str) -> None:
    tops = (ROOT, ROOT / "plugin", CORE, FIFTYONE, LABEL_STUDIO, CORE / "models", CORE / "recipes")
    assert any((top / named).exists() for top in tops), f"docs/architecture.md names {named}"


@pytest.mark.parametrize(
    "room",
    [*rooms(CORE), *rooms(FIFTYONE), *rooms(LABEL_STUDIO)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_room_is_on_the_map_and_says_what_lives_there(room: Path) -> None:
    assert f"`{room.name}/`" in MAP
    assert (room / "__init__.py").read_text(encoding="utf-8").startswith('"""')
