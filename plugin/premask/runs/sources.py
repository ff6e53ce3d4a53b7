"""From what people type to paths and addresses: quoted patterns, lists in files, standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from premask.errors import UnreadableImage

STANDARD_INPUT = "-"
_WILD = "*?["


def sources(texts: Iterable[str], standard_input: TextIO | None = None) -> Iterator[str]:
    """The paths and addresses that are meant, in order.

    `-` is a list on standard input and `@list.txt` one in a file: a path or an address on each
    line, where empty lines and those that begin with # say nothing. `photos/**/*.png` is what it
    matches, for shells that leave it as it is. Whatever is there under its full name is that file.
    """
    for text in texts:
        if text == STANDARD_INPUT:
            yield from _listed(standard_input or sys.stdin, Path())
        elif is_address(text) or _is_there(text):
            yield text
        elif text.startswith("@"):
            yield from _in_file(Path(text[1:]))
        elif any(letter in text for letter in _WILD):
            yield from _matching(text)
        else:
            yield text


def is_address(text: str) -> bool:
    """Whether a text is an http(s) address rather than a path."""
    return text.strip().lower().startswith(("http://", "https://"))


def _is_there(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _in_file(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            yield from list(_listed(lines, path.parent))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableImage(f"@{path}", f"the list can't be opened: {reason}") from error


def _listed(lines: Iterable[str], folder: Path) -> Iterator[str]:
    for line in lines:
        text = line.strip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        # Lists lie beside their images more often than not; what is typed is meant from here.
        beside = str(folder / text)
        yield beside if not is_address(text) and not _is_there(text) and _is_there(beside) else text


def _matching(pattern: str) -> list[str]:
    # Path.glob takes no absolute patterns.
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    if not found:
        raise UnreadableImage(pattern, "there is no such file or folder, and nothing matches it")
    return found
