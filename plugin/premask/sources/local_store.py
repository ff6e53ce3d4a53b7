"""Files on this machine's disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from premask.errors import UnreadableImage
from premask.images import MAX_FILE_BYTES
from premask.sources.stores import PassingFailure, StoredFile

_SCHEME = "file://"
_GONE = (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError)


def path_of(uri: str) -> Path:
    """The path that an address of a local file means."""
    if uri.startswith(_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_SCHEME))))
    return Path(uri)


def uri_of(path: Path | str) -> str:
    """A path as an address: as it is, where it is text that every reader of a table can hold."""
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SCHEME + quote(os.fsencode(text))
    return text


class LocalStore:
    """Paths, and `file://` addresses."""

    def stat(self, uri: str) -> StoredFile:
        try:
            return _stored(uri, path_of(uri).stat())
        except OSError as error:
            raise _failure(uri, error) from error

    def is_folder(self, uri: str) -> bool:
        return path_of(uri).is_dir()

    def walk(self, uri: str) -> Iterator[StoredFile]:
        top = path_of(uri).absolute()
        yield from _walk(top, {top.resolve()})

    def read(self, uri: str, start: int = 0, length: int | None = None) -> bytes:
        path = path_of(uri)
        try:
            if path.exists() and not path.is_file():
                raise UnreadableImage(uri, "it is no file")
            with path.open("rb") as file:
                wanted = os.fstat(file.fileno()).st_size - start if length is None else length
                if wanted > MAX_FILE_BYTES:
                    raise UnreadableImage(uri, f"{wanted:,} bytes are more than {MAX_FILE_BYTES:,}")
                file.seek(start)
                return file.read(max(0, wanted))
        except OSError as error:
            raise _failure(uri, error) from error


def _walk(folder: Path, entered: set[Path]) -> Iterator[StoredFile]:
    """Files in the order of their paths; a link to a folder that was entered has no end."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableImage(str(folder), (error.strerror or str(error)).lower()) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            real = Path(entry.path).resolve()
            if not entry.is_symlink() or real not in entered:
                yield from _walk(Path(entry.path), entered | {real})
        elif entry.is_file():
            yield _stored(uri_of(entry.path), entry.stat())
        elif entry.is_symlink():
            # It leads nowhere, which is told when it is read.
            yield StoredFile(uri=uri_of(entry.path))


def _stored(uri: str, found: os.stat_result) -> StoredFile:
    return StoredFile(uri=uri, size=found.st_size, etag=f"{found.st_mtime_ns:x}")


def _failure(uri: str, error: OSError) -> Exception:
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, _GONE):
        return UnreadableImage(uri, reason)
    return PassingFailure(reason)  # as network drives fail
