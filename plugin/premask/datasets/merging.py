"""Several datasets as one: each image once, with the labels of all; what overlaps is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.datasets.image_files import ImageFiles
from premask.datasets.label_spool import LabelSpool
from premask.datasets.manifest import hash_of
from premask.datasets.reading import Dataset
from premask.errors import InvalidMask
from premask.images import Image
from premask.labels.coco_ids import CocoIds
from premask.masks import Size
from premask.runs.progress import ProgressCounter, ProgressWatcher

ALIKE = 0.9
"""From this IoU on, two objects of one class are told as probably the same."""


@dataclass(slots=True, kw_only=True)
class Merged:
    """The labels of several datasets, image after image, and what was noticed on the way."""

    dataset: Dataset
    shared_images: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    duplicates: int = 0
    overlaps: dict[str, int] = field(default_factory=dict)


def merge(datasets: Sequence[Dataset], *, on_progress: ProgressWatcher | None = None) -> Merged:
    """Join datasets; ids and classes of the first one stay, and those of the others follow.

    Two images are the same if their files are, or if their names and sizes are where one of them
    has no file here. An image that has another one's name gets its dataset's name in front. An
    object that is there already, pixel by pixel, is not there twice.
    """
    return _Merging(datasets).merged(ProgressCounter(on_progress=on_progress))


class _Merging:
    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._datasets = datasets
        self._spool = LabelSpool()
        self._places: dict[str, list[int]] = {}
        self._by_digest: dict[str, str] = {}
        self._by_shape: dict[tuple[str, Size], str] = {}
        self._paths: dict[str, Path] = {}
        self._result = Merged(
            dataset=Dataset(path=datasets[0].path, format="merged", _read=self._read)
        )

    def merged(self, counter: ProgressCounter) -> Merged:
        for number, dataset in enumerate(self._datasets, start=1):
            for one in dataset:
                if one.error is None:
                    self._add(dataset, number, one)
                counter.count(failed=one.error is not None)
        for place in self._places.values():
            self._result.shared_images += len(place) > 1
        self._count_overlaps()
        self._result.dataset = replace(
            self._result.dataset,
            images=ImageFiles.named(self._paths),
            ids=_ids([dataset.ids for dataset in self._datasets]),
        )
        return self._result

    def _add(self, dataset: Dataset, number: int, one: Labeled) -> None:
        path = dataset.images.path_of(one.image.name)
        digest = hash_of(path) if path is not None and path.is_file() else ""
        name = self._known_name(one, digest) or self._free_name(dataset, number, one.image.name)
        if path is not None and digest:
            self._by_digest[digest] = name
            self._paths.setdefault(name, path)
        self._by_shape.setdefault((one.image.name, one.image.size_hw), name)
        self._places.setdefault(name, []).append(self._spool.add(one))

    def _known_name(self, one: Labeled, digest: str) -> str | None:
        """What the image is called here, if it came before."""
        if digest in self._by_digest:
            return self._by_digest[digest]
        name = self._by_shape.get((one.image.name, one.image.size_hw))
        # Where both have files, these would be the same.
        return None if digest and name in self._paths else name

    def _free_name(self, dataset: Dataset, number: int, name: str) -> str:
        if name not in self._places:
            return name
        free = f"{dataset.path.stem}/{name}"
        if free in self._places:
            free = f"{dataset.path.stem}-{number}/{name}"
        self._result.renamed[free] = f"{name} of {dataset.path}"
        return free

    def _read(self, path: Path, images: Iterable[Image] = ()) -> Iterator[Labeled]:
        for name in self._places:
            yield self._labeled(name)[0]

    def _labeled(self, name: str) -> tuple[Labeled, int, int]:
        """One image with the labels of all; how many were there twice, and how many overlap."""
        first, *others = map(self._spool.at, self._places[name])
        found, twice, alike = list(first.annotations), 0, 0
        for other in others:
            sizes = {first.image.size_hw, other.image.size_hw} - {(0, 0)}
            if len(sizes) > 1:
                raise InvalidMask(
                    f"'{name}' has {other.image.size_hw} pixels (height, width) in one dataset and "
                    f"{first.image.size_hw} in another. Did one of them ignore its EXIF?"
                )
            before = list(found)
            for annotation in other.annotations:
                if annotation in before:
                    twice += 1
                    continue
                alike += any(_are_alike(annotation, known) for known in before)
                found.append(annotation)
        size_hw = max(one.image.size_hw for one in (first, *others))  # (0, 0) is not known
        image = Image(name=name, size_hw=size_hw)
        return replace(first, image=image, annotations=tuple(found)), twice, alike

    def _count_overlaps(self) -> None:
        for name, places in self._places.items():
            if len(places) > 1:
                _, twice, alike = self._labeled(name)
                self._result.duplicates += twice
                if alike:
                    self._result.overlaps[name] = alike


def _are_alike(one: Annotation, other: Annotation) -> bool:
    if one.label != other.label or one.mask is None or other.mask is None:
        return False
    return one.mask.size_hw == other.mask.size_hw and one.mask.iou(other.mask) >= ALIKE


def _ids(found: Sequence[CocoIds | None]) -> CocoIds | None:
    """The ids of the first file that has any, and what the others name besides."""
    known = [ids for ids in found if ids is not None]
    if not known:
        return None
    merged = known[0].fresh()
    records = dict(merged.category_records)
    for ids in known[1:]:
        for name in ids.categories:
            merged.category(name)
            records.setdefault(name, ids.category_records.get(name, {}))
    return replace(merged, category_records=records)
