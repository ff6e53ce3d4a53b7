"""Whether a person's own weights have become others since they were loaded, and are whole."""

from __future__ import annotations

from pathlib import Path

from premask.models.weights.content import content_identity, files_of
from premask.models.weights.wholeness import broken_among

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""What a file system says of each file. It changes with each write, and looking costs nothing."""


class WatchedWeights:
    """The file or the folder of one model.

    Looking twice tells whether somebody is still writing: so looks must be seconds apart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = self._last = _stamp_of(path)
        self._content = content_identity(path) if self._known else ""

    def is_new(self) -> bool:
        """Whether there are other weights than before, and nobody writes them any more.

        Each version is told once.
        """
        stamp = _stamp_of(self.path)
        is_settled, self._last = stamp == self._last, stamp
        if not stamp or not is_settled or stamp == self._known:
            return False
        self._known = stamp
        content = content_identity(self.path)
        is_other, self._content = content != self._content, content
        return is_other

    @property
    def is_gone(self) -> bool:
        """Whether nothing is there, as far as the last look tells."""
        return not self._last

    @property
    def is_being_written(self) -> bool:
        return bool(self._last) and self._last != self._known

    def what_is_broken(self) -> str:
        """Which file is not whole, in words; empty if all are, as far as their lengths tell."""
        return broken_among(files_of(self.path))


def _stamp_of(path: Path) -> Stamp:
    """Empty where nothing is, or where it is just being replaced."""
    try:
        return tuple(
            (file.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            for file in files_of(path)
            for status in (file.stat(),)
        )
    except OSError:
        return ()
