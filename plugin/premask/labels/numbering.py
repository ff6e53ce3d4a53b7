"""Numbers for labels, and names for the files of images, that are unique in a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath

from premask.annotations import Annotation
from premask.images import Image
from premask.labels.image_names import steps_of


def numbered(categories: Iterable[str] | None) -> dict[str, int]:
    """A number for each category, from 1 on in the order given.

    >>> numbered(["cat", "dog", "cat"])
    {'cat': 1, 'dog': 2}
    """
    return {name: number for number, name in enumerate(dict.fromkeys(categories or ()), start=1)}


def number_new(numbers: dict[str, int], annotations: Iterable[Annotation]) -> None:
    """Give the next numbers to labels that have none yet."""
    for annotation in annotations:
        numbers.setdefault(annotation.label, len(numbers) + 1)


class Stems:
    """Names for the files of images: the image's own name, without its suffix.

    Of images that differ in their suffix only (a.jpg, a.png), the later ones keep it; where that
    is another image's name (a.png.jpg), they get a number. So the names depend on the order.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """A name that no earlier image has, not even in other letters: some disks ignore case."""
        path = PurePosixPath(*steps_of(name) or ("image",))
        numbers = (f"{path}-{number}" for number in count(2))
        stem = next(
            stem
            for stem in chain((str(path.with_suffix("")), str(path)), numbers)
            if stem.casefold() not in self._taken
        )
        self._taken.add(stem.casefold())
        return stem


def files_of_images(
    folder: Path, suffix: str, images: Iterable[Image]
) -> Iterator[tuple[Image, Path]]:
    """Each image that has a file of its own below the folder, and that file.

    Without `images` all files with the suffix are taken, and each gives its name to its image.
    """
    stems, given = Stems(), False
    for image in images:
        given = True
        path = folder / f"{stems.of(image.name)}{suffix}"
        if path.is_file():
            yield image, path
    if not given:
        for path in sorted(folder.rglob(f"*{suffix}")):
            yield Image(name=path.relative_to(folder).with_suffix("").as_posix()), path


def told_files(
    folder: Path, suffix: str, images: Iterable[Image]
) -> Iterator[tuple[Image | None, Path]]:
    """The same for files that tell what their images are called, by any names.

    Where none of the `images` has a file, all files are taken, and their images are what they say.
    """
    pairs = files_of_images(folder, suffix, images)
    first = next(pairs, None)
    if first is not None and first[0].size_hw != (0, 0):
        yield first
        yield from pairs
    else:
        for path in sorted(folder.rglob(f"*{suffix}")):
            yield None, path
