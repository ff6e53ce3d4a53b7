"""What a folder shows when the work is done: each image with what was found in it, in all files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from premask.annotations import Labeled
from premask.errors import UnreadableImage, UnwritableFile
from premask.images import read_image
from premask.runs.folder_state import write_state
from premask.runs.image_work import ImageWork
from premask.runs.inputs import Input


class Shown(NamedTuple):
    """An image that the folder shows, and the key of what was found in it."""

    item: Input
    key: str


class FolderContents:
    """Brings the folder to what was found, and says in the outcome what that changed.

    An image that failed keeps what the `earlier` run found, unless it is another image by now.
    """

    def __init__(self, work: ImageWork, earlier: dict[str, Any]) -> None:
        self._job, self._journal, self._files = work.job, work.journal, work.files
        self._work, self._outcome, self._earlier = work, work.outcome, earlier
        self._shown = list(self._choose())

    def write_missing_files(self) -> None:
        """Files of images that were done before: of a format asked for now, or gone missing."""
        if not self._files.delivery.has_image_files:
            return
        for item, key in self._shown:
            if item.name in self._work.fresh:
                continue
            labeled = self._journal.get(key, item.name)
            if self._files.has_image(labeled, item.stem):
                continue
            try:
                if self._files.delivery.needs_pixels:
                    image = read_image(item.path, item.name, window=self._job.window)
                    labeled = replace(labeled, image=image)
                self._files.write_image(labeled, item.stem)
            except (UnreadableImage, UnwritableFile) as error:
                self._outcome.failures.setdefault(item.name, error)

    def write_dataset_files(self) -> None:
        """The files for the whole dataset, in the order of the inputs, each read once more."""
        labels, versions = set[str](), []
        for item, key in self._shown:
            found = self._journal.summary(key)
            labels.update(found.labels)
            self._outcome.rows.append((item.name, len(found.labels), found.seconds))
            self._files.keep_image(found.version, item.stem)
            versions.append((item.name, found.version))
        self._outcome.class_note = self._files.delivery.class_note(labels)
        self._outcome.written = self._files.write_dataset(self._read_all, sorted(labels), versions)

    def note_state(self) -> None:
        """Note what the next run and the preview read: the recipe, the images, the failures."""
        only_kept = bool(self._shown) and len(self._outcome.kept) == len(self._shown)
        asked = {
            "recipe": str(self._job.recipe),
            "work": self._work.key_of_all,
            "window": self._job.window,
        }
        write_state(
            self._job.folder,
            {
                **(self._earlier if only_kept else asked),
                "images": [
                    {
                        "name": item.name,
                        "path": str(item.path),
                        "beside": os.path.relpath(item.path, self._job.folder),
                        "key": key,
                    }
                    for item, key in self._shown
                ],
                "failures": {name: str(error) for name, error in self._outcome.failures.items()},
            },
        )

    def remove_stale_files(self) -> None:
        """Remove what premask wrote and the folder does not show any more."""
        self._outcome.removed, self._outcome.edited = self._files.remove_stale()
        if all(key in self._journal for _, key in self._shown):
            self._journal.forget_what_was_set_aside()

    def _choose(self) -> Iterator[Shown]:
        earlier = {entry["name"]: entry["key"] for entry in self._earlier["images"]}
        for item in self._job.inputs:
            key = self._work.keys.get(item.name)
            if item.name in self._outcome.failures:
                key = earlier.get(item.name)
                if key is None or not self._still_holds(item, key):
                    continue
                self._outcome.kept.append(item.name)
            if key is not None:
                yield Shown(item, key)

    def _still_holds(self, item: Input, key: str) -> bool:
        """Whether this is what was found in the image as it is, or in one that can't be read."""
        if not self._journal.knows(key):
            return False
        digest = self._work.digests.get(item.name)
        return digest is None or digest == self._journal.get(key, item.name).image.digest

    def _read_all(self) -> Iterator[Labeled]:
        return (self._journal.get(key, item.name) for item, key in self._shown)
