"""The plain data in a .pt file: its pickle is read, and nothing that it names is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from premask.errors import PremaskError
from premask.models.weights.pickles import instructions_in

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SENSELESS = (IndexError, KeyError, TypeError, AttributeError, ValueError)
"""What a pickle that makes no sense can raise here."""


@dataclass(slots=True, eq=False)
class Unmade:
    """Stands for what the file names, or would make by it; `state` is what that would be given.

    Where something would be put into it one by one, as into an ordered dict, that is lost.
    """

    state: Any = None


def class_names(path: Path) -> dict[int, str]:
    """What the model in a .pt file of Ultralytics calls its classes; empty if it does not say.

    Nothing is imported, no network is built, and no weights are read, so it takes a moment.
    """
    try:
        checkpoint = data_in(path)
        # As where it is loaded: the averaged model counts, if there is one.
        models = [checkpoint[key] for key in ("ema", "model") if checkpoint.get(key) is not None]
        names = models[0].state["names"]
        numbered = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in numbered}
    except (PremaskError, *_SENSELESS):
        # Whether the file is whole, and safe, is found out where it is loaded.
        return {}


def data_in(path: Path) -> Any:
    """What the pickle in the file holds, with something `Unmade` wherever it names a class."""
    machine = _Machine()
    for name, argument in instructions_in(path):
        if name not in ("PROTO", "STOP"):
            machine.run(name, argument)
    return machine.stack[-1]


class _Machine:
    """The stack machine that pickles are programs for, without the parts that make objects."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """Do what one of the known instructions says."""
        stack = self.stack
        if name == "MARK":
            self._marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS"):
            self._fill(self._taken({"APPEND": 1, "SETITEM": 2}.get(name)), pairs="SET" in name)
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Unmade):
                stack[-1].state = state
        else:
            stack.append(self._value(name, argument))

    def _value(self, name: str, argument: Any) -> Any:
        """What an instruction puts on the stack, for some of what lies there."""
        if name in ("GLOBAL", "NEWOBJ", "REDUCE", "BINPERSID"):
            # Two of them take a class and its arguments, the last one the place of a tensor.
            self._taken({"GLOBAL": 0, "BINPERSID": 1}.get(name, 2))
            return Unmade()
        if name == "TUPLE" or name in _TUPLES:
            return tuple(self._taken(_TUPLES.get(name)))
        if name.startswith("EMPTY_"):
            return {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}[name]()
        return _CONSTANTS.get(name, argument)

    def _fill(self, values: list[Any], *, pairs: bool) -> None:
        container = self.stack[-1]
        if isinstance(container, dict) and pairs:
            container.update(zip(values[::2], values[1::2], strict=True))
        elif isinstance(container, list) and not pairs:
            container += values

    def _taken(self, count: int | None) -> list[Any]:
        """The last values from the stack: so many, or all behind the mark."""
        start = self._marks.pop() if count is None else len(self.stack) - count
        taken = self.stack[start:]
        del self.stack[start:]
        return taken
