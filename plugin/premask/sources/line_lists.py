"""Lists of images in text files: a path or an address on each line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from premask.errors import UnreadableImage
from premask.sources.local_store import path_of, uri_of
from premask.sources.places import Places, is_local, scheme_of
from premask.sources.ranged_file import opened

_LONGEST_LINE = 65536


def lines_of(uri: str, places: Places) -> Iterator[str]:
    """The addresses in a list; paths that are not from the root are meant from where it lies.

    Empty lines, and those that begin with #, say nothing.
    """
    with _text(uri, places) as lines:
        while line := lines.readline(_LONGEST_LINE):
            text = line.strip("\r\n")
            if len(line) == _LONGEST_LINE:
                raise UnreadableImage(uri, f"a line of it is longer than {_LONGEST_LINE:,} letters")
            if text.strip() and not text.startswith("#"):
                yield address_in_list(uri, text)


def address_in_list(uri: str, text: str) -> str:
    """What a line of the list at `uri` means, which may lie elsewhere, and be a stranger's."""
    if scheme_of(text) and not is_local(text):
        return text.strip()
    if not is_local(uri):
        # What somebody writes into a bucket says nothing about the files of this machine.
        return f"{uri.rpartition('/')[0]}/{text.removeprefix('file://').lstrip('/')}"
    if scheme_of(text):
        return text.strip()
    # What is typed at a prompt is meant from here; a list is made beside its images more often.
    beside, here = path_of(uri).absolute().parent / text, Path(text).absolute()
    return uri_of(here if not beside.exists() and here.exists() else beside)


@contextmanager
def _text(uri: str, places: Places) -> Iterator[TextIO]:
    with (
        opened(uri, places) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape") as text,
    ):
        yield text
