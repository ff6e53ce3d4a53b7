"""The table that mypy checks the adapters by has every family in it, at every stage it answers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from premask.models import conformance
from premask.models.registry import FAMILIES, Stage

TABLES: dict[Stage, tuple[str, ...]] = {
    "find": ("FINDERS", "EMBEDDED_FINDERS"),
    "outline": ("SEGMENTERS",),
    "matte": ("MATTERS",),
    "track": ("TRACKERS", "PHRASE_TRACKERS"),
}


def adapters_in(*tables: str) -> dict[str, str]:
    """Family -> name of its adapter, as they stand in the tables of the source."""
    tree = ast.parse(Path(conformance.__file__).read_text(encoding="utf-8"))
    return {
        ast.literal_eval(family): ast.unparse(adapter)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Dict)
        and ast.unparse(node.target) in tables
        for family, adapter in zip(node.value.keys, node.value.values, strict=True)
        if family is not None
    }


@pytest.mark.parametrize("stage", TABLES)
def test_mypy_compares_every_family_with_what_its_stages_promise(stage: Stage) -> None:
    registered = {
        name: family.adapter.partition(":")[2]
        for name, family in FAMILIES.items()
        if stage in family.stages
    }
    assert adapters_in(*TABLES[stage]) == registered, (
        f"{' and '.join(TABLES[stage])} in models/conformance.py must name the adapters of all "
        f"families that registry.py gives the stage '{stage}', and no others."
    )
