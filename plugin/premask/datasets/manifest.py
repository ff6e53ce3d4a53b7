"""The list of what a set holds, by which an earlier set in the folder makes room."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from premask.errors import UnwritableOutput
from premask.files import take_place, write_atomically
from premask.images import SUFFIXES

NAME = "manifest.json"
_HASHES = "sha256"


def write_manifest(folder: Path, told: Mapping[str, object], files: Iterable[Path]) -> Path:
    """Write what is told of the set, and the hash of each file, which `sha256sum` prints, too."""
    hashes = {
        file.relative_to(folder).as_posix(): hash_of(file)
        for file in sorted(set(files))
        if file.name != NAME
    }
    text = json.dumps({**told, _HASHES: hashes}, indent=1, ensure_ascii=False) + "\n"
    return write_atomically(folder / NAME, text.encode())


def make_room(folder: Path) -> None:
    """Remove the files of an earlier set, or what is stale would be trained on.

    A folder with other files in it is `UnwritableOutput`, and so are labels in it that somebody has
    changed.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        hashes = {
            folder / str(name): digest
            for name, digest in json.loads((folder / NAME).read_bytes())[_HASHES].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnwritableOutput(
            f"'{folder}' is not empty, and has no {NAME} of an earlier set. Choose another folder, "
            "or empty it."
        ) from error
    # The list may have been changed by hand, and must lead to nothing outside of the folder.
    files = [file for file in hashes if ".." not in file.parts and folder in file.parents]
    for file in files:
        # Images are not edited, and take long.
        if file.suffix.lower() not in SUFFIXES and file.is_file() and hash_of(file) != hashes[file]:
            raise UnwritableOutput(
                f"'{file}' was changed after premask wrote it, and this set would be made anew. "
                "Choose another folder, or take that file out of this one."
            )
    for file in files:
        file.unlink(missing_ok=True)


def move_set(made: Path, folder: Path) -> None:
    """Give a set that is whole, on the same disk, the place of an earlier one."""
    make_room(folder)
    files = sorted(file for file in made.rglob("*") if file.is_file())
    # The list comes first: then whatever is cut off leaves nothing that the next set would not
    # make room from.
    for file in sorted(files, key=lambda file: file != made / NAME):
        take_place(file, folder / file.relative_to(made))


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
