"""Writing files so that they are there whole, or not at all, even if the process is killed."""

from __future__ import annotations

import errno
import filecmp
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from premask.errors import UnwritableFile, UnwritableOutput

LazyFiles = dict[str, Callable[[], bytes]]
"""File names below a folder, and what makes their bytes when they are wanted."""

_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space and run it again",
    errno.EDQUOT: "your disk quota is used up. Free some space and run it again",
    errno.EROFS: "the disk is read-only. Choose another folder",
    errno.EACCES: "you may not write there. Choose another folder, or change its permissions",
    errno.EPERM: "you may not write there. Choose another folder, or change its permissions",
    errno.ENAMETOOLONG: "its name is too long for this disk. Shorten the image's name",
    errno.ENOTDIR: "a part of its path is a file. Move that file, or choose another folder",
    errno.EEXIST: "a file has the name of its folder. Move that file, or choose another folder",
    errno.EISDIR: "a folder has its name. Move that folder, or choose another one",
}

_OF_ONE_FILE = (errno.ENAMETOOLONG, errno.EISDIR, errno.EILSEQ)
_MOST_NAME_BYTES = 255
"""What nearly all file systems allow for one name."""


class FileWatcher(Protocol):
    """Hears of each file before it is written; if it raises, the file stays as it is."""

    def begin(self, path: Path) -> None:
        """The file is about to be made."""
        ...

    def finish(self, path: Path, part: Path) -> None:
        """`part` is whole, and about to take the file's place."""
        ...


_watcher: ContextVar[FileWatcher | None] = ContextVar("watcher", default=None)


@contextmanager
def announcing(watcher: FileWatcher) -> Iterator[None]:
    """Tell the watcher of each file that this thread writes inside the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def write_atomically(path: Path, data: bytes) -> Path:
    """Put `data` in the place of the file, or leave the file as it was."""
    with replacing(path) as file:
        file.write(data)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` when the block ends without an error."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher.begin(path)
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            # Or a crash of the machine could leave an empty file under the right name.
            os.fsync(file.fileno())
        if watcher is not None:
            watcher.finish(path, part)
        if path.is_file() and filecmp.cmp(part, path, shallow=False):
            # Nothing has changed: then not even the file's date does.
            part.unlink()
        else:
            part.replace(path)
    except OSError as error:
        _remove(part)
        # What fills the file may fail as well, such as reading an image: that is another story.
        if _concerns(path, error):
            raise unwritable(path, error) from error
        raise
    except BaseException:
        _remove(part)
        raise


@contextmanager
def replacing_text(path: Path) -> Iterator[TextIO]:
    """Like `replacing`, for UTF-8 text; line ends stay as they are written."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def take_place(part: Path, path: Path) -> None:
    """Give a file that is written whole another's place, for good even if the machine fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        _force_names(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def take_free_place(part: Path, path: Path) -> bool:
    """The same where nothing is; False if something is there by now, and stays there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(part, path)
        _force_names(path.parent)
    except FileExistsError:
        return False
    except OSError:
        # Some disks have no links: then the last one to come stays.
        take_place(part, path)
    return True


def _force_names(folder: Path) -> None:
    """Force what its files are called to the disk."""
    if os.name == "nt":  # where folders can't be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> UnwritableOutput:
    """What to tell a person whose file can't be written."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}".lower())
    kind = UnwritableFile if error.errno in _OF_ONE_FILE else UnwritableOutput
    return kind(f"'{path}' can't be written: {reason}.")


def _part_of(path: Path) -> Path:
    """The file that is written first; its name is short where the path's own can't be longer."""
    name = f"{path.name}.part"
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:
        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.part"
    return path.with_name(name)


def _concerns(path: Path, error: OSError) -> bool:
    """Whether the error is about this file, its .part, or a folder above it."""
    name = str(error.filename)
    if error.filename is None or name == str(_part_of(path)):
        return True
    return name.startswith(str(path)) or str(path).startswith(name)


def _remove(part: Path) -> None:
    """Leave no half of a file behind; what prevents that has prevented the writing, too."""
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return
