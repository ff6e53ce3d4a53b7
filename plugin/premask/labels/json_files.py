"""JSON files: lists written record by record, and what somebody else wrote, up to a size."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from premask.errors import InvalidMask, PremaskError, UnreadableImage
from premask.images import read_file

_encoded = json.JSONEncoder().encode

_MORE = (AttributeError, OverflowError)
"""What values of the wrong type lead to, besides the obvious."""


def write_record(file: BinaryIO, record: Mapping[str, Any], number: int) -> None:
    """A record of a list on a line of its own; `number` counts from 1 in each list."""
    # In one piece: this is done for each object of a dataset.
    file.write((b"\n" if number == 1 else b",\n") + _encoded(record).encode())


def write_list(file: BinaryIO, key: str, records: Iterable[Mapping[str, Any]]) -> None:
    """A whole list of an object, behind another one."""
    file.write(f'\n],\n"{key}": ['.encode())
    for number, record in enumerate(records, start=1):
        write_record(file, record, number)


def read_json(path: Path, expected: str) -> Any:
    """What the file holds; `expected` says what it should have been, for the message."""
    try:
        # Nesting that is deeper than Python can follow is a RecursionError.
        return json.loads(read_file(path, path.name))
    except (UnreadableImage, ValueError, RecursionError) as error:
        reason = error.reason if isinstance(error, UnreadableImage) else str(error)
        raise PremaskError(f"'{path}' can't be read: {reason}. It must be {expected}.") from error


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of which somebody knows what is where, as long as nobody writes it anew."""

    path: Path
    _stamp: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, file: BinaryIO) -> IndexedFile:
        """The file that is open."""
        return cls(path, _stamp_of(file))

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it once more; `InvalidMask` if it is gone or another one."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InvalidMask(f"'{self.path}' can't be read: {error.strerror or error}.") from error
        with file:
            if _stamp_of(file) != self._stamp:
                raise InvalidMask(f"'{self.path}' has changed since it was read. Read it anew.")
            yield file


def _stamp_of(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """What goes wrong with the file's values in the block is an error that names the file."""
    try:
        yield
    except (InvalidMask, OSError, LookupError, TypeError, ValueError, *_MORE) as error:
        reason = str(error).rstrip(".")
        if not isinstance(error, InvalidMask):
            reason = f"{type(error).__name__}: {reason}"
        raise InvalidMask(f"'{path}' can't be read: {reason}. It must be {expected}.") from error


def list_in(value: object) -> list[Any]:
    """A list that a file may have here, empty where it has none."""
    if value is not None and not isinstance(value, list):
        raise InvalidMask(f"a list is expected in the place of {str(value)[:40]!r}")
    return value or []


def number_in(value: object) -> float | None:
    """A finite number that a file may have here."""
    if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value)):
        raise InvalidMask(f"a number is expected in the place of {str(value)[:40]!r}")
    return value
