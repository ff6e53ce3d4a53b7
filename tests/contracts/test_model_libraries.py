"""A library that families of models import is on every list that has to know of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from premask.models.registry import FAMILIES, LIBRARIES
from premask.toml import parse_toml
from tests.contracts.test_light_import import HEAVY

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "plugin" / "premask" / "models"
PROJECT = parse_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]

NEEDED_BY_THE_CORE = {"PIL", "numpy", "premask", "pycocotools", "scipy"}
HELP = "See 'If its library is new to premask' in CONTRIBUTING.md."


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def libraries_of_models() -> list[str]:
    files = (file for room in ("families", "parts") for file in (MODELS / room).rglob("*.py"))
    names = {name for file in files for name in imported(file)}
    return sorted(names - NEEDED_BY_THE_CORE - sys.stdlib_module_names)


def forbidden_modules() -> set[str]:
    """What the contracts of import-linter forbid the rest of premask to import."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    return {name for contract in contracts for name in contract.get("forbidden_modules", ())}


@pytest.mark.parametrize("library", libraries_of_models())
def test_only_families_may_import_it_and_premask_is_light_without_it(library: str) -> None:
    assert library in forbidden_modules(), f"pyproject.toml lets all of premask import it. {HELP}"
    assert library in HEAVY, f"Nothing tests that `import premask` does not load it. {HELP}"


@pytest.mark.parametrize("family", FAMILIES)
def test_its_extra_is_one_that_people_can_install(family: str) -> None:
    extra = FAMILIES[family].extra
    assert extra in EXTRAS, f"pyproject.toml has no extra '{extra}'. {HELP}"
    (everything,) = EXTRAS["all"]
    assert extra in everything.partition("[")[2].rstrip("]").split(","), HELP


@pytest.mark.parametrize("family", FAMILIES)
def test_what_its_files_import_is_looked_for_before_it_is_said_to_be_ready(family: str) -> None:
    module = FAMILIES[family].adapter.partition(":")[0]
    file = ROOT / "plugin" / Path(*module.split("."))
    needed = set(imported(file.with_suffix(".py"))) - NEEDED_BY_THE_CORE - sys.stdlib_module_names
    assert needed <= set(LIBRARIES[FAMILIES[family].extra])
