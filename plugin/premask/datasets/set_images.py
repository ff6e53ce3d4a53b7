"""The image files of a set: which can be read, and what of them a trainer may not notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from premask.datasets.image_files import ImageFiles
from premask.datasets.image_placing import place_image
from premask.datasets.training_set import Converted
from premask.decoding import is_turned, upright_size
from premask.errors import UnreadableImage
from premask.masks import Size

BROKEN = "images whose files can't be read"
"""What is left out, as it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetImages:
    """Looks at files and puts them into the set; what there is to tell goes into `outcome`."""

    files: ImageFiles
    outcome: Converted

    def is_readable(self, name: str, size_hw: Size) -> bool:
        """Whether a file can be read, as far as its first bytes tell.

        One that is missing is an error: it stops all of it, before anything is written.
        """
        path = self.files.require(name)
        try:
            if size_hw not in (upright_size(path), (0, 0)):
                self.outcome.other_size.append(name)
        except UnreadableImage:
            self.outcome.left_out[BROKEN] += 1
            return False
        return True

    def place(self, name: str, target: Path, mode: str) -> bool:
        """Put an image where it belongs; whether that could be done."""
        source = self.files.require(name)
        try:
            place_image(source, target, mode)
            self.outcome.turned += mode != "upright" and is_turned(source)
        except UnreadableImage:
            self.outcome.left_out[BROKEN] += 1
            self.outcome.other_size[:] = [one for one in self.outcome.other_size if one != name]
            return False
        return True
