"""Whether weights are whole: an interrupted copy would fail deep inside a library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from premask.models.weights.kinds import HubWeights, PackagedWeights, Weights

_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 100_000_000
"""What the library safetensors allows for the header."""


def what_is_broken(path: Path, weights: Weights | None, *, thoroughly: bool = False) -> str:
    """Which file is not whole, in words; empty if all are, as far as their lengths tell.

    With `thoroughly` the bytes are compared, too, where their hash is known.
    """
    if isinstance(weights, PackagedWeights):
        return _broken_file(path, weights, thoroughly=thoroughly)
    if not isinstance(weights, HubWeights):
        # A person's own folder is looked through where it is loaded, with better advice.
        return ""
    known = weights.bytes if weights.file else 0
    if known and path.is_file() and path.stat().st_size != known:
        return f"{path} has {path.stat().st_size:,} bytes, and not {known:,}"
    return broken_among([path] if path.is_file() else sorted(path.glob("*.safetensors")))


def broken_among(files: Iterable[Path]) -> str:
    """Which of the safetensors among these files is not whole, in words; empty if all are."""
    broken = (_broken_safetensors(file) for file in files if file.suffix == ".safetensors")
    return next(filter(None, broken), "")


def _broken_file(path: Path, weights: PackagedWeights, *, thoroughly: bool) -> str:
    length = path.stat().st_size
    if length != weights.bytes:
        return f"{path} has {length:,} bytes, and not {weights.bytes:,}"
    if thoroughly and hashlib.sha256(path.read_bytes()).hexdigest() != weights.sha256:
        return f"{path} has the right length, but other bytes than were published"
    return ""


def _broken_safetensors(path: Path) -> str:
    """The file begins with a table that says where each tensor ends: the last one ends the file."""
    length = path.stat().st_size
    with path.open("rb") as file:
        header_length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 2 <= header_length <= min(_MOST_HEADER_BYTES, length - _LENGTH_BYTES):
            return f"{path} ends before the list of its tensors does"
        try:
            header = json.loads(file.read(header_length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{path} has no list of tensors where safetensors have one"
    expected = _LENGTH_BYTES + header_length + max(ends, default=0)
    return "" if length == expected else f"{path} has {length:,} bytes, and not {expected:,}"
