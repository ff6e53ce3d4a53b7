"""COCO files and plans -> detections of FiftyOne's samples: exact masks, beside other labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.datasets.clip_reading import holds_clips
from premask.errors import InvalidSetting
from premask.geometry import Box
from premask.labels.coco import read_coco
from premask.labels.fiftyone import with_mattes
from premask.labels.shard_table import read_shard
from premask.masks import Mask, Matte
from premask.plans.plan import Plan, is_plan
from premask.runs.progress import ProgressCounter, ProgressWatcher
from premask.shaping.maps import alpha_map
from premask.sources.local_store import path_of
from premask.sources.places import is_local

from ..dataset.bulk_store import Document, store
from ..dataset.chosen_images import dataset_of
from ..dataset.history import Run, recorded
from ..dataset.holders import holders_of
from ..dataset.provenance import Stamp
from ..dataset.reading import read_labels
from ..dataset.writing import OUTPUTS, MapTargets, Place, prepare_fields, require_fitting
from .image_matching import sorted_out

Shown = tuple[str, Mask | Box]
Existing = tuple[Any, frozenset[Shown]]

_CHUNK = 50
"""Samples written at once."""


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import wrote, and the images of the file that it could not place, with the reason.

    `duplicates` were there before. `blended` mattes reach into each other: the heatmap of their
    image holds one alpha a pixel, so they are not what they were. Of clips the images are their
    frames, which get no mattes.
    """

    images: int = 0
    annotations: int = 0
    duplicates: int = 0
    mattes: int = 0
    blended: int = 0
    new_samples: int = 0
    clips: int = 0
    mattes_lost: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def import_masks(
    samples: Any,
    path: str | Path,
    run: Run,
    *,
    label_field: str,
    image_folder: str | Path | None = None,
    append: bool = False,
    masks_on_disk: bool = False,
    on_progress: ProgressWatcher | None = None,
) -> Imported:
    """Write the annotations of a COCO file as detections of the samples that show its images.

    An image belongs to the sample whose path ends with its name. If a folder of images is given, it
    belongs to the sample of that very file, which is added where there is none. The path may be a
    plan's, too, which knows where its images lie: then this holds for them. Labels that are in
    the field stay; they are an error unless `append` asks to put what is new behind them. Mattes
    become one heatmap an image, in `<label_field>_heatmap`.
    """
    labeled, paths = _read(Path(path))
    work = _Import(samples, run, label_field, on_disk=masks_on_disk)
    found = sorted_out(samples, labeled, Path(image_folder) if image_folder else None, paths)
    work.require_room(list(found.placed), append=append)
    with recorded(dataset_of(samples), run):
        work.prepare(has_mattes=any(map(_matted, labeled)))
        placed = [*found.placed.items(), *work.added(found.new)]
        counter = ProgressCounter(total=len(placed), on_progress=on_progress)
        for first in range(0, len(placed), _CHUNK):
            work.write(dict(placed[first : first + _CHUNK]))
            counter.done = min(first + _CHUNK, len(placed))
            counter.tell()
        work.outcome.failures |= found.failures
        for name, reason in work.outcome.failures.items():
            run.fail(name, reason)
    return work.outcome


def _read(path: Path) -> tuple[Sequence[Labeled], Mapping[str, Path]]:
    """The labels, and where their images are, as far as that is known."""
    if not is_plan(path):
        if holds_clips(path):
            raise InvalidSetting(
                f"'{path}' has the labels of clips. Choose videos, or images that are grouped in "
                "their order: dataset.group_by('scene', order_by='frame_number')."
            )
        return read_coco(path), {}
    plan = Plan.open(path)
    done = (plan.labels_path(index) for index in plan.shards if plan.is_done(index))
    rows = [row for labels in done for row in read_shard(labels)]
    labeled = [row.labeled for row in rows]
    local = {
        one.image.name: path_of(row.uri)
        for one, row in zip(labeled, rows, strict=True)
        if is_local(row.uri)
    }
    return labeled, local


class _Import:
    """One import under way."""

    def __init__(self, samples: Any, run: Run, name: str, *, on_disk: bool) -> None:
        self.outcome = Imported()
        self._dataset, self._run = dataset_of(samples), run
        self._samples, self._field, self._on_disk = samples, name, on_disk
        self._heatmaps = f"{name}_heatmap"
        self._stamp, self._targets = Stamp(run=run.name), MapTargets(self._dataset)

    def require_room(self, sample_ids: Sequence[str], *, append: bool) -> None:
        """Refuse a field that has labels for these samples, unless they are appended to."""
        require_fitting(self._dataset, {self._field: OUTPUTS["detections"]})
        if append or not self._dataset.has_field(self._field):
            return
        if count := self._dataset.select(sample_ids).count(f"{self._field}.detections"):
            raise InvalidSetting(
                f"'{self._field}' has labels for these samples ({count:,}). Choose another field, "
                "or append, which leaves them as they are and adds what is new."
            )

    def prepare(self, *, has_mattes: bool) -> None:
        """Make the fields that the dataset does not have."""
        outputs = {self._field: OUTPUTS["detections"]}
        outputs |= {self._heatmaps: OUTPUTS["heatmap"]} if has_mattes else {}
        self._run.fields = {field: output.name for field, output in outputs.items()}
        self._run.new_fields, self._run.new_attributes = prepare_fields(self._dataset, outputs)

    def added(self, new: Mapping[Path, Labeled]) -> list[tuple[str, Labeled]]:
        """Add a sample for each new file; return the images with the ids of their samples."""
        made = [
            fo.Sample(filepath=str(path), metadata=fo.ImageMetadata.build_for(str(path)))
            for path in new
        ]
        self.outcome.new_samples = self._run.new_samples = len(made)
        ids = self._dataset.add_samples(made, progress=False) if made else []
        return list(zip(ids, new.values(), strict=True))

    def write(self, placed: Mapping[str, Labeled]) -> None:
        """Put the annotations of a few images into the field, behind what is there."""
        fresh, documents = {}, {}
        for sample_id, (holder, known) in self._existing(placed).items():
            labeled = placed[sample_id]
            new = tuple(
                annotation
                for annotation in labeled.annotations
                if what_is_shown(annotation) not in known
            )
            fresh[sample_id] = replace(labeled, annotations=new)
            documents[sample_id] = self._extended(holder, fresh[sample_id], sample_id)
        for sample_id in self._stored(self._field, documents, placed):
            self._count(placed[sample_id], fresh[sample_id])
        self._write_mattes({sample_id: placed[sample_id] for sample_id in fresh})

    def _extended(self, holder: Any, fresh: Labeled, sample_id: str) -> Document:
        """Put new labels behind those that a sample has."""
        output, place = OUTPUTS["detections"], self._place(self._field, sample_id)
        labels = [label.to_dict() for label in output.labels_of(holder)]
        document = output.holder_of([*labels, *output.labels(fresh, place)], holder)
        return document | self._stamp.on_holder(None, new=holder is None)

    def _stored(
        self, field: str, documents: Mapping[str, Document], placed: Mapping[str, Labeled]
    ) -> list[str]:
        """Write the documents; return the samples that could hold theirs."""
        failed = store(self._dataset, field, documents)
        for sample_id, error in failed.items():
            self.outcome.failures[placed[sample_id].image.name] = str(error)
        return [sample_id for sample_id in documents if sample_id not in failed]

    def _count(self, labeled: Labeled, fresh: Labeled) -> None:
        self.outcome.images += 1
        self.outcome.annotations += len(fresh.annotations)
        self._run.labeled, self._run.annotations = self.outcome.images, self.outcome.annotations
        self.outcome.duplicates += len(labeled.annotations) - len(fresh.annotations)

    def _write_mattes(self, placed: Mapping[str, Labeled]) -> None:
        """Write a heatmap for each image with mattes; one that is there stays."""
        matted = {name: labeled for name, labeled in placed.items() if _matted(labeled)}
        if not matted:
            return
        taken = set(self._dataset.select(list(matted)).exists(self._heatmaps).values("id"))
        heatmaps = {name: self._heatmap(name, matted[name]) for name in matted if name not in taken}
        self._stored(self._heatmaps, heatmaps, placed)
        for name in taken:
            self.outcome.failures[matted[name].image.name] = (
                f"its mattes were left out: the sample has a heatmap in '{self._heatmaps}'"
            )

    def _heatmap(self, sample_id: str, labeled: Labeled) -> Document:
        matted, size_hw = _matted(labeled), labeled.image.size_hw
        alone = [replace(annotation, matte=None) for annotation in labeled.annotations]
        read = with_mattes(alone, Matte.from_array(alpha_map(matted, size_hw)))
        exact = sum(
            old.matte is not None and old.matte == new.matte
            for old, new in zip(labeled.annotations, read, strict=True)
        )
        self.outcome.mattes += len(matted)
        self.outcome.blended += len(matted) - exact
        place = self._place(self._heatmaps, sample_id)
        return OUTPUTS["heatmap"].labels(replace(labeled, annotations=tuple(matted)), place)[0]

    def _place(self, field: str, sample_id: str) -> Place:
        return Place(
            field=field,
            folder=Path(self._run.folder) / field,
            stem=sample_id,
            on_disk=self._on_disk,
            targets=self._targets,
            stamp=self._stamp,
        )

    def _existing(self, placed: Mapping[str, Labeled]) -> dict[str, Existing]:
        """Read what samples have in the field; a label that can't be read is a failure."""
        samples, existing = self._dataset.select(list(placed)), {}
        holders = holders_of(samples, self._field)
        for read in read_labels(samples, [self._field]):
            if read.labeled.error is None:
                known = frozenset(map(what_is_shown, read.labeled.annotations))
                existing[read.sample_id] = holders[read.sample_id], known
            else:
                name = placed[read.sample_id].image.name
                self.outcome.failures[name] = str(read.labeled.error)
        return existing


def what_is_shown(annotation: Annotation) -> Shown:
    """Two annotations are the same if their class and their pixels are."""
    return annotation.label, annotation.mask or annotation.box_xyxy


def _matted(labeled: Labeled) -> list[Annotation]:
    return [annotation for annotation in labeled.annotations if annotation.matte is not None]
