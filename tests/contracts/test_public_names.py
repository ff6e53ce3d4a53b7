"""The public names, and the drawing of the errors, agree with the code."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import premask
from premask import errors


def test_every_public_name_is_there_and_documented() -> None:
    for name in premask.__all__:
        item = getattr(premask, name)
        assert isinstance(item, str) or inspect.getdoc(item), name


def test_all_is_sorted_and_complete() -> None:
    assert premask.__all__ == sorted(premask.__all__)
    # What type checkers see, and what Python finds when a name is asked for.
    tree = ast.parse(Path(premask.__file__).read_text(encoding="utf-8"))
    for_checkers, _ = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module, name.name)
        for node in for_checkers.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    found = {(module, name) for module, names in premask._HOMES.items() for name in names}
    assert seen == found
    assert {name for _, name in found} == set(premask.__all__) - {"__version__"}
    assert set(premask.__all__) <= set(dir(premask))


def test_the_modules_are_found_and_nothing_else() -> None:
    code = """import premask
assert premask.errors.UnknownModel and premask.images.Image
assert not hasattr(premask, "nothing_of_this_name")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_error_tree_is_the_one_that_is_drawn() -> None:
    tree = errors.__doc__ or ""
    classes = {
        name: item
        for name, item in vars(errors).items()
        if inspect.isclass(item) and issubclass(item, Exception)
    }
    drawn = {
        line.split()[-1] if line.strip("│├└─ ") == line else line.strip("│├└─ ").split()[0]
        for line in tree.splitlines()
        if any(mark in line for mark in "├└")
    }
    assert drawn | {"PremaskError"} == set(classes)
    assert all(issubclass(item, errors.PremaskError) for item in classes.values())
