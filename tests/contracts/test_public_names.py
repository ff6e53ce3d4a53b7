"""The public names, and the drawing of the errors, agree with the code."""

from __future__ import annotations

import inspect

import premask
from premask import errors


def test_every_public_name_is_there_and_documented() -> None:
    for name in premask.__all__:
        item = getattr(premask, name)
        assert isinstance(item, str) or inspect.getdoc(item), name


def test_all_is_sorted_and_complete() -> None:
    assert premask.__all__ == sorted(premask.__all__)
    modules = {name for name, item in vars(premask).items() if inspect.ismodule(item)}
    public = {name for name in vars(premask) if not name.startswith("_")} - modules
    assert public == set(premask.__all__) - {"__version__"}


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
