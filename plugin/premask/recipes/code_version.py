"""Which version of premask's own code computes, so that labels of two are never mixed."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

_COMPUTES = ("recipes", "models", "shaping")
_COMPUTES_BELOW = (
    "decoding.py",
    "deep_values.py",
    "geometry.py",
    "images.py",
    "masks.py",
    "rle.py",
)
"""What stands between the bytes of a file and its annotations. Reading, writing and scheduling
don't count: a fix there must not make people label everything anew."""


_COMPUTES_CLIPS = ("runs/clips", "video")


@cache
def code_version(*, for_clips: bool = False) -> str:
    """A short text that changes with any line of code, or of a table, that decides results."""
    top = Path(__file__).parents[1]
    files = [top / name for name in _COMPUTES_BELOW]
    files += (
        path
        for room in (*_COMPUTES, *(_COMPUTES_CLIPS if for_clips else ()))
        for path in (top / room).rglob("*")
        if path.suffix in (".py", ".toml")
    )
    digest = blake2b(digest_size=8)
    for path in sorted(files):
        digest.update(path.relative_to(top).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
