"""Which sample an image of a file belongs to: the one whose path ends with the image's name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import fiftyone as fo
from fiftyone import ViewField

from premask.annotations import Labeled
from premask.errors import PremaskError
from premask.masks import Size

from ..dataset.reading import image_size


class NoSample(PremaskError):
    """An image that belongs to no sample, or to several."""


@dataclass(slots=True, kw_only=True)
class SortedOut:
    """Images by where they belong.

    `placed` has them by the id of their sample, `new` by the path of a file that no sample shows
    yet, and `failures` has the reasons why the others belong nowhere.
    """

    placed: dict[str, Labeled] = field(default_factory=dict)
    new: dict[Path, Labeled] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def sorted_out(
    samples: Any,
    images: Sequence[Labeled],
    folder: Path | None,
    paths: Mapping[str, Path] = MappingProxyType({}),
) -> SortedOut:
    """Find out where each image belongs; with a folder, names are paths below it.

    Without one, `paths` says by their names where the images are, as far as that is known.
    """
    known, found = SamplesByPath(samples), SortedOut()
    for labeled in images:
        name = labeled.image.name
        path = folder / name if folder else _there(paths.get(name))
        try:
            if labeled.error is not None:
                raise labeled.error
            _sort(labeled, samples, known, path, found)
        except PremaskError as error:
            found.failures[labeled.image.name] = str(error)
    return found


class SamplesByPath:
    """The ids of samples, found by their path or the end of it, and the sizes of their images."""

    def __init__(self, samples: Any) -> None:
        ids, paths, metadata = samples.values(["id", "filepath", ViewField("metadata")])
        self._paths: dict[str, str] = dict(zip(ids, paths, strict=True))
        self._metadata: dict[str, Any] = dict(zip(ids, metadata, strict=True))
        self._by_name: Mapping[str, list[str]] = defaultdict(list)
        for sample_id, path in self._paths.items():
            self._by_name[parts_of(path)[-1]].append(sample_id)

    def of_file(self, path: Path) -> str | None:
        """The sample of exactly this file."""
        wanted = parts_of(str(path))
        same = [name for name in self._named(wanted) if parts_of(self._paths[name]) == wanted]
        return same[0] if same else None

    def of_name(self, name: str) -> str:
        """The only sample whose path ends with the name's folders and file name."""
        found = self._named(parts_of(name))
        if not found:
            raise NoSample("no sample's path ends with this; give the folder of the images")
        if len(found) > 1:
            paths = ", ".join(self._paths[sample_id] for sample_id in found[:3])
            raise NoSample(
                f"{len(found)} samples have paths that end with this ({paths}); give the folder of "
                "the images"
            )
        return found[0]

    def size_hw(self, sample_id: str) -> Size:
        """Height and width of a sample's upright image."""
        return image_size(self._paths[sample_id], self._metadata[sample_id])

    def _named(self, wanted: tuple[str, ...]) -> list[str]:
        candidates = self._by_name.get(wanted[-1], ()) if wanted else ()
        return [
            sample_id
            for sample_id in candidates
            if parts_of(self._paths[sample_id])[-len(wanted) :] == wanted
        ]


def _sort(
    labeled: Labeled, samples: Any, known: SamplesByPath, path: Path | None, found: SortedOut
) -> None:
    sample_id = known.of_file(path) if path else known.of_name(labeled.image.name)
    if sample_id is not None:
        _require_first(sample_id, found.placed)
        _require_size(labeled, known.size_hw(sample_id))
        found.placed[sample_id] = labeled
    elif path:
        path = _new_file(samples, path)
        _require_first(path, found.new)
        _require_size(labeled, image_size(str(path), None))
        found.new[path] = labeled


def _there(path: Path | None) -> Path | None:
    """The path, unless the images lie elsewhere on this machine."""
    return path if path is not None and path.is_file() else None


def _new_file(samples: Any, path: Path) -> Path:
    if not isinstance(samples, fo.Dataset):
        raise NoSample("no sample of this view shows this file; import into the dataset")
    if not path.is_file():
        raise NoSample(f"there is no file {path}")
    return path.absolute()


def _require_first(owner: Any, taken: Container[Any]) -> None:
    if owner in taken:
        raise NoSample("another image of this file belongs to the same sample")


def _require_size(labeled: Labeled, size_hw: Size) -> None:
    if labeled.image.size_hw != tuple(size_hw):
        raise NoSample(
            f"its masks have the size {labeled.image.size_hw}, but the image has {tuple(size_hw)}"
        )


def parts_of(path: str) -> tuple[str, ...]:
    """Split a path, whichever system wrote it, into folders and file name, without its root."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return tuple(part for part in parts if part not in ("/", ".", "//"))
