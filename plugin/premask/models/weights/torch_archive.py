"""The zip that torch.save writes: whether all who read it would read the same."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

LOCAL, END = b"PK\x03\x04", b"PK\x05\x06"
LOCATOR_64, END_64 = b"PK\x06\x07", b"PK\x06\x06"
END_LENGTH, LOCATOR_LENGTH, END_64_LENGTH = 22, 20, 56
EVERYTHING = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
"""What the end of an archive says where only its 64-bit record knows."""


def ambiguity(path: Path, archive: zipfile.ZipFile) -> str:
    """What two readers of the archive could disagree about; empty if there is nothing.

    Python's zipfile looks for the list of parts from the end and allows for anything before and
    behind the archive. torch begins with the first bytes of the file, believes the positions that
    are written in it, takes the folder of the first part for that of all, and does not tell capital
    letters from small ones. An archive can be made that shows them two different pickles.
    """
    return _odd_end(path) or _odd_parts(archive)


def _odd_end(path: Path) -> str:
    """The list of parts has to lie right before the end of the file, and where the end says."""
    length = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(LOCAL)) != LOCAL:
            return "something lies before its first part"
        tail_length = min(length, END_64_LENGTH + LOCATOR_LENGTH + END_LENGTH)
        file.seek(length - tail_length)
        tail = file.read(tail_length)
    end = tail[-END_LENGTH:]
    if end[:4] != END or end[-2:] != b"\0\0":
        return "something lies behind its list of parts"
    disks = struct.unpack("<2H", end[4:8])
    count_here, count, size, start = struct.unpack("<2H2I", end[8:20])
    if any(disks) or count_here != count:
        return "it is one of several volumes"
    list_end = length - END_LENGTH
    locator = tail[-END_LENGTH - LOCATOR_LENGTH : -END_LENGTH]
    if locator[:4] == LOCATOR_64:
        list_end -= LOCATOR_LENGTH + END_64_LENGTH
        record = tail[:END_64_LENGTH]
        known = count, size, start
        if record[:4] != END_64 or struct.unpack("<Q", locator[8:16])[0] != list_end:
            return "it says twice where its list of parts ends, and differently"
        count, size, start = struct.unpack("<3Q", record[32:56])
        if any(
            short not in (full, limit)
            for short, full, limit in zip(known, (count, size, start), EVERYTHING, strict=True)
        ):
            return "it says twice how long its list of parts is, and differently"
    return "" if start + size == list_end else "its list of parts is not where it says"


def _odd_parts(archive: zipfile.ZipFile) -> str:
    parts = archive.infolist()
    names = [part.filename.lower() for part in parts]
    if len(set(names)) < len(names):
        return "two of its parts have the same name"
    if any("\0" in part.orig_filename for part in parts):
        return "a part's name goes on behind its end"
    if len({part.filename.partition("/")[0] for part in parts}) > 1:
        return "its parts are not in one folder"
    return ""
