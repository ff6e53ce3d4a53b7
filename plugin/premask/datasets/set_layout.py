"""Where the parts of a set lie: labels and images where trainers look for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from premask.labels.formats import DatasetFormat, Format
from premask.labels.image_names import steps_of

_ODD = str.maketrans(dict.fromkeys('?:*"<>|\0', "_"))
"""What some disks can't have in a name."""

WHOLE = "all"
"""What the only part is called where nothing is split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLayout:
    """Places below `out`.

    A format of one file has `train.json` and `images/train/`; one of a folder has `train/`, with
    the images inside. Without a split the labels are in `out` itself, which is the file if the
    format has one and `out` ends like it; folders have dots in their names, too.
    """

    form: Format
    out: Path
    is_split: bool

    @property
    def has_texts_by_stem(self) -> bool:
        """Whether trainers find the labels of an image by its stem: a.png's are a.jpg's, too."""
        return not self._suffix

    @property
    def folder(self) -> Path:
        return self.out.parent if self._is_file else self.out

    def labels(self, part: str) -> Path:
        """The file or the folder that the format's writer is given."""
        if self.is_split:
            return self.out / f"{part}{self._suffix}"
        return self.out / self._file_name if self._suffix and not self._is_file else self.out

    def images(self, part: str) -> Path:
        """The folder below which the images of a part have their names."""
        below = self.form.image_folder
        if not self.is_split:
            return self.folder / below
        return self.out / below / part if self._suffix else self.out / part / below

    @property
    def _is_file(self) -> bool:
        """Whether the labels go into `out` itself, as a file."""
        is_named = self.out.is_file() or self.out.suffix.lower() == self._suffix
        return bool(self._suffix) and is_named and not self.is_split

    @property
    def _file_name(self) -> str:
        return self.form.file_name if isinstance(self.form, DatasetFormat) else ""

    @property
    def _suffix(self) -> str:
        return Path(self._file_name).suffix


def places_below(names: Iterable[str], *, own_stems: bool) -> Iterator[tuple[str, str]]:
    """Each name, and one that leads nowhere else, and that no other has on any disk.

    With `own_stems` no other has it without its suffix either.
    """
    taken: set[str] = set()
    for name in names:
        steps = steps_of(name)
        if steps[1:] and steps[0].endswith(":"):  # what an address begins with
            steps = steps[1:]
        path = PurePosixPath(*(step.translate(_ODD) for step in steps or ["image"]))
        for number in itertools.count(1):
            place = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            key = (place.with_suffix("") if own_stems else place).as_posix().casefold()
            if key not in taken:
                break
        taken.add(key)
        yield name, place.as_posix()
