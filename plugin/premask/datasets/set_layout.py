"""Where the parts of a set lie: labels and images where trainers look for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from premask.labels.formats import DatasetFormat, Format

_ODD = re.compile(r'[?:*"<>|\\\0]')
"""What some disks can't have in a name."""

WHOLE = "all"
"""What the only part is called where nothing is split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLayout:
    """Places below `out`.

    A format of one file has `train.json` and `images/train/`; one of a folder has `train/`, with
    the images inside. Without a split the labels are in `out` itself, which may be the file.
    """

    form: Format
    out: Path
    is_split: bool

    @property
    def folder(self) -> Path:
        return self.out if self.is_split or not self.out.suffix else self.out.parent

    def labels(self, part: str) -> Path:
        """The file or the folder that the format's writer is given."""
        suffix = Path(self._file_name).suffix
        if self.is_split:
            return self.out / f"{part}{suffix}"
        return self.out / self._file_name if suffix and not self.out.suffix else self.out

    def images(self, part: str) -> Path:
        """The folder below which the images of a part have their names."""
        below = self.form.image_folder
        if not self.is_split:
            return self.folder / below
        return self.out / below / part if Path(self._file_name).suffix else self.out / part / below

    @property
    def _file_name(self) -> str:
        return self.form.file_name if isinstance(self.form, DatasetFormat) else ""


def places_below(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name, and one that leads nowhere else, and that no other has on any disk."""
    taken: set[str] = set()
    for name in names:
        parts = [part for part in PurePosixPath(name).parts if part.strip("/.")]
        if parts and parts[0].endswith(":"):  # what an address begins with, or a disk
            parts = parts[1:]
        path = PurePosixPath(
            *(part.replace("?", "_").replace(":", "_") for part in parts or ["image"])
        )
        place, number = path, 1
        while place.as_posix().casefold() in taken:
            number += 1
            place = path.with_stem(f"{path.stem}-{number}")
        taken.add(place.as_posix().casefold())
        yield name, place.as_posix()
