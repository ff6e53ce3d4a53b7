"""The files of results in a folder: which results each of them shows, and which are stale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from premask.annotations import Labeled
from premask.images import digest_of
from premask.labels.formats import DatasetFormat
from premask.runs.delivery import Delivery
from premask.runs.folder_state import PREVIEW, written_files
from premask.runs.journal import version_of
from premask.runs.written_files import Removed


class ResultFiles:
    """Writes results in the formats asked for, and remembers which of all files are still true.

    A file is true if it shows an image that the folder shows, as it is and with what was found in
    it: also in a format that an earlier run was asked for, and this one was not.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self._list = written_files(delivery.folder)
        self._true = {PREVIEW}

    def require_own(self) -> None:
        """`UnwritableFile` where a file that a person made or changed has the name of a result."""
        for form in self.delivery.formats:
            if isinstance(form, DatasetFormat):
                self._list.require_own(self.delivery.folder / form.file_name)

    def write_image(self, labeled: Labeled, stem: str) -> None:
        """Write the files of one image; from several threads, if need be."""
        shows = self._of_an_image(version_of(labeled), stem)
        with self._list.claiming(shows):
            self.delivery.write_image_files(labeled, stem)

    def has_image(self, labeled: Labeled, stem: str) -> bool:
        """Whether `write_image` would change nothing."""
        shows = self._of_an_image(version_of(labeled), stem)
        wanted = self.delivery.image_files(labeled, stem)
        return all(self._list.shows(path) == shows for path in wanted)

    def keep_image(self, version: str, stem: str) -> None:
        """Files that show this image are true."""
        self._true.add(self._of_an_image(version, stem))

    def write_dataset(
        self,
        read_all: Callable[[], Iterable[Labeled]],
        labels: Iterable[str],
        versions: Sequence[tuple[str, str]],
    ) -> list[Path]:
        """Write the files for all images, of which `versions` are the names and versions."""
        shows = digest_of(repr([versions, self.delivery.classes]).encode())
        self._true.add(shows)
        with self._list.claiming(shows):
            return self.delivery.write_dataset_files(read_all, labels)

    def remove_stale(self) -> Removed:
        """Remove what premask wrote and what is not true any more, but no person's changes."""
        return self._list.remove_all_but(self._true)

    def _of_an_image(self, version: str, stem: str) -> str:
        """What the files of an image show, in a text that changes with it."""
        return " ".join((version, stem, *self.delivery.classes))
