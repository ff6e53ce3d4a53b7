"""Image files by the names that labels give them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from premask.decoding import upright_size
from premask.errors import UnreadableImage
from premask.images import Image
from premask.runs.inputs import collect_inputs

Images = str | Path | Iterable[str | Path | Image]
"""A folder of images, an image, or several of them; or images whose sizes are known already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Image files by name, and images that have no file here but a size.

    Labels may call an image by another path than the folder does: then it is the only one with that
    last part of its path.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    known: tuple[Image, ...] = ()
    _by_last_part: Mapping[str, list[str]] = field(default_factory=dict)

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
        by_last_part: dict[str, list[str]] = {}
        for name in paths:
            by_last_part.setdefault(PurePosixPath(name).name, []).append(name)
        return cls(paths=paths, _by_last_part=by_last_part)

    def __iter__(self) -> Iterator[Image]:
        """Every image with its upright size, which the first bytes of its file tell."""
        yield from self.known
        for name, path in self.paths.items():
            yield Image(name=name, size_hw=upright_size(path))

    def __bool__(self) -> bool:
        return bool(self.paths or self.known)

    def path_of(self, name: str) -> Path | None:
        """The file of an image, if there is one."""
        if name in self.paths:
            return self.paths[name]
        alike = self._by_last_part.get(PurePosixPath(name).name, [])
        return self.paths[alike[0]] if len(alike) == 1 else None

    def require(self, name: str) -> Path:
        """The file of an image, or `UnreadableImage` that says what helps."""
        path = self.path_of(name)
        if path is None:
            count = len(self._by_last_part.get(PurePosixPath(name).name, []))
            found = f"{count} files have that name" if count else "no file has that name"
            raise UnreadableImage(
                name, f"{found} among the {len(self.paths):,} images; --images DIR says where it is"
            )
        return path
