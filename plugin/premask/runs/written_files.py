"""Which files in a folder of results premask wrote, and which results each of them shows."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from premask.errors import UnwritableFile
from premask.files import announcing, unwritable, write_atomically

FILE_NAME = "files.jsonl"

_VERSIONS = 2
"""Contents of a file that are remembered: a killed run leaves the one before or the new one."""


@dataclass(slots=True)
class ListedFile:
    """What a file shows, and the digests of what premask wrote there, the newest one last.

    Lists of earlier versions have no digests: then whatever is there counts as premask's.
    """

    shows: str
    digests: list[str] = field(default_factory=list)


class Removed(NamedTuple):
    """Stale files that are gone, and those that stay because a person has changed them."""

    files: list[Path]
    edited: list[Path]


class WrittenFiles:
    """A list of files, each with a text that says what it shows; it outlives the process.

    A file is listed before it is written. So a process that is killed leaves no file behind that
    nobody knows of, and a file that is not in the list belongs to somebody else. So does one whose
    content is not what premask wrote: neither is ever overwritten or removed. Many threads may use
    it, but only one process (see `Journal`). With `adopts_others` a file that is not in the list
    may be overwritten: before there were lists, all results in such a folder were premask's.
    """

    def __init__(self, folder: Path, path: Path, *, adopts_others: bool = False) -> None:
        self.folder = folder
        self._path, self._adopts_others = path, adopts_others
        self._files = read_written_files(path)
        self._lock = threading.Lock()

    def claiming(self, shows: str) -> AbstractContextManager[None]:
        """List what this thread writes inside the block; `UnwritableFile` for a person's file."""
        return announcing(_Claim(self, shows))

    def require_own(self, path: Path) -> None:
        """`UnwritableFile` for a person's file, or for one in the folder that a person changed."""
        self._require_own(path)
        below = f"{self._name(path)}/"
        for name in self._files:
            if name.startswith(below):
                self._require_own(self.folder / name)

    def shows(self, file: Path) -> str | None:
        """What the file shows; None if it is gone, or is not premask's."""
        listed = self._files.get(self._name(file))
        return listed.shows if listed is not None and _is_there(file) else None

    def is_edited(self, file: Path) -> bool:
        """Whether somebody has changed the file since premask wrote it."""
        listed = self._files.get(self._name(file))
        if listed is None or not listed.digests or not _is_there(file):
            return False
        return _digest_of_file(file) not in listed.digests

    def remove_all_but(self, shown: Collection[str]) -> Removed:
        """Remove the files that show something else, and the folders that this leaves empty."""
        removed, edited = [], []
        for name in [name for name, listed in self._files.items() if listed.shows not in shown]:
            file = self.folder / name
            if self.is_edited(file):
                # It stays in the list: where photos and results share a folder, it is no photo.
                edited.append(file)
                continue
            if file.is_file():
                try:
                    file.unlink()
                except OSError as error:
                    raise unwritable(file, error) from error
                removed.append(file)
            _remove_empty_folders(file.parent, self.folder)
            del self._files[name]
        lines = (
            _line(name, listed.shows, *listed.digests[-_VERSIONS:])
            for name, listed in self._files.items()
        )
        write_atomically(self._path, b"".join(lines))
        return Removed(removed, edited)

    def claim(self, file: Path, shows: str) -> None:
        """List a file that is about to be written; `UnwritableFile` if it is a person's."""
        self._require_own(file)
        name = self._name(file)
        with self._lock:
            listed = self._files.get(name)
            if listed is None or listed.shows != shows:
                self._append(_line(name, shows))
                self._files[name] = ListedFile(shows, listed.digests if listed else [])

    def note_content(self, file: Path, digest: str) -> None:
        """List what is about to be in a claimed file."""
        name = self._name(file)
        with self._lock:
            listed = self._files[name]
            if listed.digests[-1:] != [digest]:
                self._append(_line(name, listed.shows, digest))
                listed.digests.append(digest)

    def _require_own(self, file: Path) -> None:
        if not self._adopts_others and self._name(file) not in self._files and _is_there(file):
            raise UnwritableFile(
                f"'{file}' is there, and premask did not write it, so it is not overwritten. "
                "Move it away, or choose another folder."
            )
        if self.is_edited(file):
            raise UnwritableFile(
                f"'{file}' was changed after premask wrote it, so it is not overwritten. Move it "
                "away to keep it, delete it to have it written anew, or choose another folder."
            )

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()

    def _append(self, line: bytes) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as lines:
                # The line begins with an end, so that half a line before it swallows nothing.
                lines.write(b"\n" + line)
        except OSError as error:
            raise unwritable(self._path, error) from error


class _Claim:
    """Lists each file that is written as one that shows this."""

    def __init__(self, files: WrittenFiles, shows: str) -> None:
        self._files, self._shows = files, shows

    def begin(self, path: Path) -> None:
        self._files.claim(path, self._shows)

    def finish(self, path: Path, part: Path) -> None:
        self._files.note_content(path, _digest_of_file(part))


def read_written_files(path: Path) -> dict[str, ListedFile]:
    """The files in a list, by their names; empty if there is no list.

    The names are relative to the folder of results, with slashes.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unwritable(path, error) from error
    files: dict[str, ListedFile] = {}
    for line in lines:
        try:
            name, shows, *digests = map(str, json.loads(line))
        except (ValueError, TypeError):
            # Half a line is what a full disk or a killed process leaves; its file was not written.
            continue
        listed = files.setdefault(name, ListedFile(shows))
        listed.shows = shows
        listed.digests += digests
    return files


def _line(*parts: str) -> bytes:
    return json.dumps(parts).encode() + b"\n"


def _digest_of_file(file: Path) -> str:
    """A hash of the content, which may be larger than memory."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with file.open("rb") as data:
            while piece := data.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise unwritable(file, error) from error
    return digest.hexdigest()


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:  # its name may be too long to ask for
        raise unwritable(file, error) from error


def _remove_empty_folders(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
