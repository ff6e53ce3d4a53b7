"""Image files by the names that labels give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from premask.decoding import upright_size
from premask.errors import UnreadableImage
from premask.images import Image
from premask.labels.image_names import ImageNames
from premask.runs.inputs import collect_inputs

Images = str | Path | Iterable[str | Path | Image]
"""A folder of images, an image, or several of them; or images whose sizes are known already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Image files by name, and images that have no file here but a size.

    Labels may call an image by another path than the folder does: then it is the only one whose
    path ends like that, or at least the only file of that name.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    known: tuple[Image, ...] = ()
    _names: ImageNames = field(default_factory=ImageNames)

    @classmethod
    def of(cls, images: Images) -> ImageFiles:
        """Find the files; their names are relative to the folder that is given."""
        if isinstance(images, (str, Path)):
            folder = Path(images)
            inputs = collect_inputs([folder], folder if folder.is_dir() else None)
        else:
            given = list(images)
            known = tuple(image for image in given if isinstance(image, Image))
            if known:
                return cls(known=known)
            inputs = collect_inputs(image for image in given if not isinstance(image, Image))
        return cls.named({found.name: found.path for found in inputs})

    @classmethod
    def named(cls, paths: Mapping[str, Path]) -> ImageFiles:
        """Files whose names are known."""
        return cls(paths=paths, _names=ImageNames.of(paths))

    def __iter__(self) -> Iterator[Image]:
        """Every image with its upright size, which the first bytes of its file tell."""
        yield from self.known
        for name, path in self.paths.items():
            yield Image(name=name, size_hw=upright_size(path))

    def readable(self, on_failure: Callable[[str, UnreadableImage], object]) -> Iterator[Image]:
        """The same, but an image whose file can't be read is told, and left out."""
        yield from self.known
        for name, path in self.paths.items():
            try:
                yield Image(name=name, size_hw=upright_size(path))
            except UnreadableImage as error:
                on_failure(name, error)

    def __bool__(self) -> bool:
        return bool(self.paths or self.known)

    def path_of(self, name: str) -> Path | None:
        """The file of an image, if there is one."""
        if name in self.paths:
            return self.paths[name]
        found = self._names.find(name)
        return None if found is None else self.paths[found]

    def require(self, name: str) -> Path:
        """The file of an image, or `UnreadableImage` that says what helps."""
        path = self.path_of(name)
        if path is None:
            count = len(self._names.alike(name))
            found = f"{count} files have that name" if count else "no file has that name"
            raise UnreadableImage(
                name, f"{found} among the {len(self.paths):,} images; --images DIR says where it is"
            )
        return path
