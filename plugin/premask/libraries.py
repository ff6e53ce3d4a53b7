"""Packages that only some commands need, imported when they are, or the command that gets them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from premask.errors import MissingDependency


def imported(module: str, *, what: str, extra: str) -> ModuleType:
    """The module, or `MissingDependency`: `what` says what needs it, such as "Shards need"."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependency(
            f"{what} the package '{package}', which is not installed. Install it with: "
            f"pip install 'premask[{extra}]'"
        ) from error


def parquet_libraries() -> tuple[ModuleType, ModuleType]:
    """`pyarrow` and `pyarrow.parquet`."""
    what = "Plans, and labels in parquet, need"
    arrow = imported("pyarrow", what=what, extra="parquet")
    return arrow, imported("pyarrow.parquet", what=what, extra="parquet")
