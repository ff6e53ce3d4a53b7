"""What stands in for the operators where the core is missing: the command that installs it."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

CHECKOUT = Path(__file__).resolve().parents[1]


class StandIn(foo.Operator):
    """An operator that can only say what is missing."""

    def __init__(self, name: str, reason: str, *, _builtin: bool = False) -> None:
        super().__init__(_builtin=_builtin)
        self._config = foo.OperatorConfig(name=name, label=f"premask: {name.replace('_', ' ')}")
        self._message = f"premask's core is not installed ({reason}). {remedy()}"

    @property
    def config(self) -> foo.OperatorConfig:
        return self._config

    def resolve_input(self, ctx: Any) -> types.Property:
        """Show a form that says how to install the core, and that can't be sent."""
        inputs = types.Object()
        view = types.Error(label="premask's core is not installed", description=remedy())
        inputs.define_property(
            "core", types.String(), view=view, invalid=True, error_message=self._message
        )
        return types.Property(inputs)

    def __call__(self, *positional: Any, **named: Any) -> None:
        """Say it to whoever calls the operator from Python, as the README does."""
        raise RuntimeError(self._message)

    def execute(self, ctx: Any) -> None:
        # FiftyOne executes no operator whose form is invalid; from Python, this is what is raised.
        raise RuntimeError(self._message)


def remedy() -> str:
    """The command that installs the core for the Python that runs FiftyOne."""
    command = [sys.executable, "-m", "pip", "install", "-e", f"{CHECKOUT}[offline,fiftyone]"]
    return f"Install it with: {shlex.join(command)} and start FiftyOne again."


def stand_ins(names: list[str], reason: str) -> tuple[Any, ...]:
    """Make a stand-in for each operator, so that whoever looks for one learns what is missing."""
    return tuple(partial(StandIn, name, reason) for name in names)
