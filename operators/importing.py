"""COCO files -> detections of FiftyOne's samples: exact masks, beside whatever labels are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidSetting, PremaskError
from premask.geometry import Box
from premask.labels.coco import read_coco
from premask.labels.fiftyone import detection_from_annotation, heatmap_from_annotations
from premask.labels.fiftyone_reading import with_mattes
from premask.labels.png import alpha_map
from premask.masks import Mask, Matte, Size

from .calling import dataset_of
from .matching import NoSample, SamplesByPath
from .reading import image_size, read_labels
from .writing import OUTPUTS, require_fitting

Watcher = Callable[[int, int], object]
Identity = tuple[str, Mask | Box]
Existing = tuple[Any, frozenset[Identity]]

_CHUNK = 50
"""Samples written at once."""

_NOTHING: Existing = (None, frozenset())


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import wrote, and the images of the file that it could not place, with the reason.

    `duplicates` were there before. `blended` mattes reach into each other: the heatmap of their
    image holds one alpha a pixel, so they are not what they were.
    """

    images: int = 0
    annotations: int = 0
    duplicates: int = 0
    mattes: int = 0
    blended: int = 0
    new_samples: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def import_masks(
    samples: Any,
    path: str | Path,
    *,
    label_field: str,
    image_folder: str | Path | None = None,
    append: bool = False,
    on_progress: Watcher | None = None,
) -> Imported:
    """Write the annotations of a COCO file as detections of the samples that show its images.

    An image belongs to the sample whose path ends with its name. If a folder of images is given, it
    belongs to the sample of that very file, which is added where there is none. Labels that are in
    the field stay; they are an error unless `append` asks to put what is new behind them. Mattes
    become one heatmap an image, in `<label_field>_heatmap`, with its PNG beside the COCO file.
    """
    labeled = read_coco(Path(path))
    work = _Import(samples, Path(path), label_field, append=append)
    placed, new = work.sorted_out(labeled, Path(image_folder) if image_folder else None)
    work.prepare_field([sample_id for sample_id, _ in placed])
    placed += work.added(new)
    for first in range(0, len(placed), _CHUNK):
        work.write(dict(placed[first : first + _CHUNK]))
        if on_progress is not None:
            on_progress(min(first + _CHUNK, len(placed)), len(placed))
    return work.outcome


class _Import:
    """One import under way."""

    def __init__(self, samples: Any, path: Path, name: str, *, append: bool) -> None:
        self.outcome = Imported()
        self._dataset = dataset_of(samples)
        self._samples, self._field, self._append = samples, name, append
        self._heatmaps = f"{name}_heatmap"
        self._matte_folder = path.absolute().with_name(f"{path.stem}_mattes")

    def sorted_out(
        self, labeled: Sequence[Labeled], folder: Path | None
    ) -> tuple[list[tuple[str, Labeled]], list[tuple[Path, Labeled]]]:
        """Images with the ids of their samples, and those whose files become samples."""
        known = SamplesByPath(self._samples)
        placed, new, taken = [], [], set[str]()
        for each in labeled:
            name = each.image.name
            with self._noting(name):
                sample_id = known.of_file(folder / name) if folder else known.of_name(name)
                _require_first(taken, sample_id or name)
                if sample_id is None and folder:
                    new.append((self._new_file(folder / name, each), each))
                elif sample_id is not None:
                    _require_size(each, known.size_hw(sample_id))
                    placed.append((sample_id, each))
        return placed, new

    def prepare_field(self, sample_ids: Sequence[str]) -> None:
        """Make the field, or see that nothing in it is in the way."""
        require_fitting(self._dataset, {self._field: OUTPUTS["detections"]})
        if not self._dataset.has_field(self._field):
            self._add_field(self._field, fo.Detections)
        elif not self._append and (count := self._count(sample_ids)):
            raise InvalidSetting(
                f"'{self._field}' has labels for these samples ({count:,}). Choose another field, "
                "or append, which leaves them as they are and adds what is new."
            )

    def added(self, new: Sequence[tuple[Path, Labeled]]) -> list[tuple[str, Labeled]]:
        """Make samples of files; the images with the ids of these samples."""
        made = [
            fo.Sample(filepath=str(path), metadata=fo.ImageMetadata.build_for(str(path)))
            for path, _ in new
        ]
        self.outcome.new_samples = len(made)
        ids = self._dataset.add_samples(made, progress=False) if made else []
        return list(zip(ids, (labeled for _, labeled in new), strict=True))

    def write(self, placed: Mapping[str, Labeled]) -> None:
        """Put the annotations of a few images into the field, behind what is there."""
        existing = self._existing(placed) if self._append else dict.fromkeys(placed, _NOTHING)
        placed = {sample_id: placed[sample_id] for sample_id in existing}
        holders = {}
        for sample_id, labeled in placed.items():
            holder, known = existing[sample_id]
            fresh = [each for each in labeled.annotations if _identity(each) not in known]
            holders[sample_id] = _extended(holder, fresh, labeled.image.size_hw)
            self.outcome.annotations += len(fresh)
            self.outcome.duplicates += len(labeled.annotations) - len(fresh)
        # To validate what premask made takes FiftyOne a sixth of all the time.
        self._dataset.set_values(self._field, holders, key_field="id", validate=False)
        self._write_mattes(placed)
        self.outcome.images += len(placed)

    def _write_mattes(self, placed: Mapping[str, Labeled]) -> None:
        """One heatmap for each image with mattes; one that is there stays."""
        matted = {name: each for name, each in placed.items() if _matted(each)}
        if not matted:
            return
        if not self._dataset.has_field(self._heatmaps):
            self._add_field(self._heatmaps, fo.Heatmap)
        samples = self._dataset.select(list(matted))
        taken = set(samples.exists(self._heatmaps).values("id"))
        heatmaps = {name: self._heatmap(name, matted[name]) for name in matted if name not in taken}
        self._dataset.set_values(self._heatmaps, heatmaps, key_field="id")
        for name in taken:
            self.outcome.failures[matted[name].image.name] = (
                f"its mattes were left out: the sample has a heatmap in '{self._heatmaps}'"
            )

    def _heatmap(self, sample_id: str, labeled: Labeled) -> Any:
        matted, size_hw = _matted(labeled), labeled.image.size_hw
        alone = [replace(each, matte=None) for each in labeled.annotations]
        read = with_mattes(alone, Matte.from_array(alpha_map(matted, size_hw)))
        exact = sum(
            old.matte is not None and old.matte == new.matte
            for old, new in zip(labeled.annotations, read, strict=True)
        )
        self.outcome.mattes += len(matted)
        self.outcome.blended += len(matted) - exact
        path = self._matte_folder / f"{sample_id}.png"
        return fo.Heatmap(**heatmap_from_annotations(matted, size_hw, path))

    def _existing(self, placed: Mapping[str, Labeled]) -> dict[str, Existing]:
        """What samples have in the field; those with a label that can't be read are left out."""
        samples, existing = self._dataset.select(list(placed)), {}
        holders = dict(zip(*samples.values(["id", self._field]), strict=True))
        for each in read_labels(samples, [self._field]):
            if each.labeled.error is None:
                known = frozenset(map(_identity, each.labeled.annotations))
                existing[each.sample_id] = holders[each.sample_id], known
            else:
                name = placed[each.sample_id].image.name
                self.outcome.failures[name] = str(each.labeled.error)
        return existing

    def _count(self, sample_ids: Sequence[str]) -> int:
        return int(self._dataset.select(sample_ids).count(f"{self._field}.detections"))

    def _add_field(self, name: str, kind: Any) -> None:
        self._dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)

    def _new_file(self, path: Path, labeled: Labeled) -> Path:
        if not isinstance(self._samples, fo.Dataset):
            raise NoSample("no sample of this view shows this file; import into the dataset")
        if not path.is_file():
            raise NoSample(f"there is no file {path}")
        _require_size(labeled, image_size(str(path), None))
        return path.absolute()

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """An image that can't be placed stops nothing."""
        try:
            yield
        except PremaskError as error:
            self.outcome.failures[name] = str(error)


def _require_first(taken: set[str], owner: str) -> None:
    if owner in taken:
        raise NoSample("another image of this file belongs to the same sample")
    taken.add(owner)


def _require_size(labeled: Labeled, size_hw: Size) -> None:
    if labeled.image.size_hw != tuple(size_hw):
        raise NoSample(
            f"its masks have the size {labeled.image.size_hw}, but the image has {tuple(size_hw)}"
        )


def _identity(annotation: Annotation) -> Identity:
    """What makes two annotations the same: the class and the pixels."""
    return annotation.label, annotation.mask or annotation.box_xyxy


def _matted(labeled: Labeled) -> list[Annotation]:
    return [each for each in labeled.annotations if each.matte is not None]


def _extended(holder: Any, fresh: Sequence[Annotation], size_hw: Size) -> Any:
    """The labels that a sample has and new ones behind them."""
    holder = fo.Detections() if holder is None else holder
    new = [fo.Detection(**detection_from_annotation(each, size_hw)) for each in fresh]
    holder.detections = [*holder.detections, *new]
    return holder
