"""Where files lie, whatever is behind it: what each kind of place can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file by its address; `etag` changes with its content, and is empty where none is told."""

    uri: str
    size: int | None = None
    etag: str = ""


class Store(Protocol):
    """A disk, a bucket, a web server.

    What is wrong for good is an `UnreadableImage`. What may go well in a moment is a
    `PassingFailure`, and whoever calls asks again.
    """

    def stat(self, uri: str) -> StoredFile:
        """The file that is there now."""
        ...

    def is_folder(self, uri: str) -> bool:
        """Whether files lie below it."""
        ...

    def walk(self, uri: str) -> Iterator[StoredFile]:
        """All files below a folder but hidden ones, in the order of their addresses."""
        ...

    def read(self, uri: str, start: int = 0, length: int | None = None) -> bytes:
        """A part of a file, by default all of it."""
        ...


class PassingFailure(Exception):
    """What went wrong, in words; it may go well when it is tried again."""
