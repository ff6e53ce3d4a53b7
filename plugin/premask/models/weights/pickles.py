"""What a .pt file would import if it were unpickled, read without unpickling it."""

from __future__ import annotations

import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from premask.errors import MissingWeights, UnsafeWeights
from premask.models.weights.torch_archive import ambiguity

LARGEST = 2**28
"""The most bytes that a pickle may have. The weights themselves lie beside it in the zip."""

# What torch.save writes. All else (STACK_GLOBAL, INST, OBJ, EXT1, ...) can name what it imports in
# ways that are hard to follow, and no checkpoint needs it.
KNOWN_INSTRUCTIONS = frozenset(
    [
        *("PROTO", "STOP", "MARK", "GLOBAL", "NEWOBJ", "REDUCE", "BUILD", "BINPERSID"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINSTRING", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET"),
        *("BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"),
    ]
)

TENSORS = frozenset(
    [
        *("collections.OrderedDict", "torch.Size"),
        *("torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2"),
        *("torch.BoolStorage", "torch.ByteStorage", "torch.CharStorage", "torch.ShortStorage"),
        *("torch.IntStorage", "torch.LongStorage", "torch.HalfStorage", "torch.BFloat16Storage"),
        *("torch.FloatStorage", "torch.DoubleStorage"),
    ]
)
"""What tensors, and dicts of them, are made of."""


def imported_names(path: Path) -> frozenset[str]:
    """Full names of all classes and functions that unpickling the file would import."""
    return frozenset(
        _modern_name(*str(argument).split(" ", 1))
        for name, argument in instructions_in(path)
        if name == "GLOBAL"
    )


def instructions_in(path: Path) -> Iterator[tuple[str, Any]]:
    """The instructions of the file's pickle with their arguments, all of known kinds."""
    try:
        for instruction, argument, _ in pickletools.genops(_pickle_in(path)):
            if instruction.name not in KNOWN_INSTRUCTIONS:
                raise _refused(path, f"its pickle has the instruction {instruction.name}")
            yield instruction.name, argument
    except (ValueError, UnicodeDecodeError) as error:
        raise _refused(path, f"its pickle is broken ({error})") from error


def require_known(path: Path, known: Collection[str]) -> frozenset[str]:
    """The names that the file imports; `UnsafeWeights` if it imports any that is not known."""
    names = imported_names(path)
    unknown = sorted(names - set(known))
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise _refused(
            path, f"it would import {', '.join(unknown[:5])}{more}, which no such model needs"
        )
    return names


def kind_of(path: Path) -> Literal["ultralytics", "state_dict"]:
    """Whether the file holds a model of Ultralytics, or plain tensors."""
    names = imported_names(path)
    return "ultralytics" if any(name.startswith("ultralytics.") for name in names) else "state_dict"


def _pickle_in(path: Path) -> bytes:
    """The one pickle of the file: torch.save writes a zip with a single `data.pkl` in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Before anything else: what is scanned here has to be what torch will load.
            if reason := ambiguity(path, archive):
                raise _refused(path, reason)
            members = archive.infolist()
            pickles = [part for part in members if part.filename.lower().endswith(".pkl")]
            if [part.filename.split("/")[1:] for part in pickles] != [["data.pkl"]]:
                raise _refused(
                    path, "it is no plain file of torch.save: TorchScript holds programs"
                )
            if pickles[0].file_size > LARGEST:
                raise _refused(path, f"its pickle unpacks to {pickles[0].file_size:,} bytes")
            return archive.read(pickles[0])
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        if _begins_like_a_zip(path):
            raise MissingWeights(
                f"The weights in '{path}' are incomplete ({error}). Get the file again."
            ) from error
        raise _refused(
            path, f"it is no file of torch.save, version 1.6 or later ({error})"
        ) from error


def _begins_like_a_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _modern_name(module: str, name: str) -> str:
    """The full name; what torch.save writes has the names of Python 2."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def _refused(path: Path, reason: str) -> UnsafeWeights:
    return UnsafeWeights(
        f"'{path}' was not loaded, and nothing in it was run: {reason}. A .pt file can hold "
        "programs. If you trust whoever made it, ask them for safetensors, or save the weights "
        "anew with a recent version of the library that they belong to."
    )
