"""Which sample an image of a file belongs to: the one whose path ends with the image's name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from fiftyone import ViewField

from premask.errors import PremaskError
from premask.masks import Size

from .reading import image_size


class NoSample(PremaskError):
    """An image that belongs to no sample, or to several."""


class SamplesByPath:
    """The ids of samples, found by their path or the end of it, and the sizes of their images."""

    def __init__(self, samples: Any) -> None:
        ids, paths, metadata = samples.values(["id", "filepath", ViewField("metadata")])
        self._paths: dict[str, str] = dict(zip(ids, paths, strict=True))
        self._metadata: dict[str, Any] = dict(zip(ids, metadata, strict=True))
        self._by_name: Mapping[str, list[str]] = defaultdict(list)
        for sample_id, path in self._paths.items():
            self._by_name[_parts(path)[-1]].append(sample_id)

    def of_file(self, path: Path) -> str | None:
        """The sample of exactly this file."""
        wanted = _parts(str(path))
        return next((each for each in self._named(wanted) if self._is_at(each, wanted)), None)

    def of_name(self, name: str) -> str:
        """The only sample whose path ends with the name's folders and file name."""
        found = self._named(_parts(name))
        if not found:
            raise NoSample("no sample's path ends with this; give the folder of the images")
        if len(found) > 1:
            paths = ", ".join(self._paths[each] for each in found[:3])
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
        return [each for each in candidates if _parts(self._paths[each])[-len(wanted) :] == wanted]

    def _is_at(self, sample_id: str, wanted: tuple[str, ...]) -> bool:
        return _parts(self._paths[sample_id]) == wanted


def _parts(path: str) -> tuple[str, ...]:
    """Folders and file name, whichever system wrote them; where the path starts says nothing."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return tuple(part for part in parts if part not in ("/", ".", "//"))
