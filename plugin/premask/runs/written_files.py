"""Which files in a folder of results premask wrote, and which results each of them shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from pathlib import Path

from premask.errors import UnwritableFile
from premask.files import unwritable, write_atomically

FILE_NAME = "files.jsonl"


class WrittenFiles:
    """A list of files, each with a text that says what it shows; it outlives the process.

    A file is listed before it is written. So a process that is killed leaves no file behind that
    nobody knows of, and a file that is not in the list belongs to somebody else. Many threads may
    use it, but only one process (see `Journal`). With `adopts_others` a file that is not in the
    list may be overwritten: before there were lists, all results in such a folder were premask's.
    """

    def __init__(self, folder: Path, path: Path, *, adopts_others: bool = False) -> None:
        self.folder = folder
        self._path, self._adopts_others = path, adopts_others
        self._shown = read_written_files(path)
        self._lock = threading.Lock()

    def claim(self, file: Path, shows: str) -> None:
        """List a file that is about to be written; `UnwritableFile` if it is somebody else's."""
        name = file.relative_to(self.folder).as_posix()
        with self._lock:
            if self._shown.get(name) == shows:
                return
            self.require_own(file)
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab") as lines:
                    # The line begins with its end, so that half a line before it swallows nothing.
                    lines.write(b"\n" + json.dumps([name, shows]).encode())
            except OSError as error:
                raise unwritable(self._path, error) from error
            self._shown[name] = shows

    def require_own(self, file: Path) -> None:
        """`UnwritableFile` for a file that is there, and that premask did not write."""
        name = file.relative_to(self.folder).as_posix()
        if name not in self._shown and not self._adopts_others and _is_there(file):
            raise UnwritableFile(
                f"'{file}' is there, and premask did not write it, so it is not overwritten. "
                "Move it away, or choose another folder."
            )

    def shows(self, file: Path) -> str | None:
        """What the file shows; None if it is gone, or is not premask's."""
        shown = self._shown.get(file.relative_to(self.folder).as_posix())
        return shown if shown is not None and _is_there(file) else None

    def remove_all_but(self, shown: Collection[str]) -> list[Path]:
        """Remove the files that show something else, and the folders that this leaves empty."""
        stale = [name for name, shows in self._shown.items() if shows not in shown]
        removed = []
        for name in stale:
            file = self.folder / name
            if file.is_file():
                try:
                    file.unlink()
                except OSError as error:
                    raise unwritable(file, error) from error
                removed.append(file)
            _remove_empty_folders(file.parent, self.folder)
            del self._shown[name]
        lines = (json.dumps([name, shows]) + "\n" for name, shows in self._shown.items())
        write_atomically(self._path, "".join(lines).encode())
        return removed


def read_written_files(path: Path) -> dict[str, str]:
    """From the files in a list to what each shows; empty if there is no list.

    The names are relative to the folder of results, with slashes.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unwritable(path, error) from error
    shown = {}
    for line in lines:
        try:
            name, shows = json.loads(line)
        except ValueError:
            # Half a line is what a full disk or a killed process leaves; its file was not written.
            continue
        shown[str(name)] = str(shows)
    return shown


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as error:  # its name may be too long to ask for
        raise unwritable(file, error) from error


def _remove_empty_folders(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
