"""A hash of what a person's own weights are, made once for each version of a file."""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import suppress
from pathlib import Path

from premask.errors import UnwritableOutput
from premask.files import write_atomically
from premask.models.weights.paths import home

BLOCK = 2**22

SETTLED_NS = 2 * 10**9
"""A file system may count time in steps of up to two seconds (FAT does), and of two writes within
one step only the first would be noticed."""

BESIDE_TRAINING = ("optimizer*", "scheduler*", "rng_state*", "training_args*", "trainer_state*")
"""What trainers leave beside the weights: gigabytes that no model reads."""


def content_identity(path: Path) -> str:
    """A hash of the file, or of the files in the folder, with their names.

    Size and date would not do: another file can have the same ones.
    """
    files = files_of(path)
    contents = [(file.suffix if path.is_file() else file.name, _hash_of(file)) for file in files]
    return hashlib.sha256(repr(contents).encode()).hexdigest()


def files_of(path: Path) -> list[Path]:
    """The files that weights consist of; none where nothing is."""
    if path.is_file():
        # The official code of SAM 2 reads its settings from a file of the same name.
        return [path, *(beside for beside in [path.with_suffix(".yaml")] if beside.is_file())]
    return [
        file
        for file in sorted(path.glob("*"))
        if file.is_file() and not any(file.match(pattern) for pattern in BESIDE_TRAINING)
    ]


def _hash_of(file: Path) -> str:
    """The SHA-256 of a file. It is noted down, as hashing gigabytes takes as long as loading them.

    The note goes by what a file system says of a file. The time of its last change of status is
    part of that, which copying and `touch` can't set to what it was.
    """
    version = _version_of(file)
    note = home() / "hashes" / hashlib.sha256(version.encode()).hexdigest()
    try:
        noted = note.read_text(encoding="ascii")
        if re.fullmatch("[0-9a-f]{64}", noted):
            return noted
    except (OSError, ValueError):
        pass  # There is no note yet, or none that can be read: then it is made anew.
    digest = hashlib.sha256()
    started = time.time_ns()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    status = file.stat()
    is_settled = started - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS
    if is_settled and _version_of(file) == version:
        # Where it can't be noted, the next start hashes it again.
        with suppress(UnwritableOutput):
            write_atomically(note, digest.hexdigest().encode())
    return digest.hexdigest()


def _version_of(file: Path) -> str:
    status = file.stat()
    version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return repr((str(file.resolve()), *version))
