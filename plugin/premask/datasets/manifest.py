"""The list of what a set holds, by which an earlier set in the folder makes room."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from premask.errors import UnwritableOutput
from premask.files import write_atomically

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

    A folder with other files in it is `UnwritableOutput`.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        names = json.loads((folder / NAME).read_bytes())[_HASHES]
        files = [folder / str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnwritableOutput(
            f"'{folder}' is not empty, and has no {NAME} of an earlier set. Choose another folder, "
            "or empty it."
        ) from error
    for file in files:
        # The list may have been changed by hand, and must lead to nothing outside of the folder.
        if ".." not in file.parts and folder in file.parents:
            file.unlink(missing_ok=True)


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
