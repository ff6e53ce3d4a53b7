"""The labels of a plan in one file or folder, shard by shard, counted against what was planned."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from premask.annotations import Annotation, Labeled
from premask.errors import Cancelled, InvalidPlan, InvalidSetting
from premask.labels.coco import write_coco
from premask.labels.formats import DatasetFormat, ImageFormat, formats_of
from premask.labels.label_studio import local_file_url
from premask.labels.numbering import Stems
from premask.labels.shard_counts import ShardCounts, count_shard, join_shards
from premask.labels.shard_row import ShardRow
from premask.labels.shard_table import read_shard
from premask.plans.plan import Plan
from premask.runs.progress import ProgressCounter, ProgressWatcher

COCO_SHARDS, PARQUET = "coco-shards", "parquet"

OWN_FORMATS = {
    COCO_SHARDS: "a folder with a COCO file for each shard, whose ids go on from one to the next",
    PARQUET: "one parquet file with a row for each image, those too that failed",
}
"""What a plan can be merged to besides the formats of `premask annotate`."""


@dataclass(slots=True, kw_only=True)
class MergedPlan:
    """What was written, and how it stands with the plan: planned = labeled + failed + missing.

    `missing` are the shards that are not done. `failures` counts the images by kind of error.
    """

    planned: int
    labeled: int = 0
    annotations: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    classes: tuple[str, ...] = ()
    missing: list[int] = field(default_factory=list)
    missing_images: int = 0
    written: list[Path] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many images failed."""
        return self.failures.total()


def merge_plan(
    plan: Plan,
    format: str,
    out: Path,
    *,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
) -> MergedPlan:
    """Write the labels of all shards that are done, in the order of the plan.

    `format` is one of `premask annotate`, "coco-shards" or "parquet". One image's labels are in
    memory at a time. `InvalidPlan` says that a shard has not one row for each of its images.
    """
    merge = _Merge(plan, cancel or threading.Event())
    merge.count()
    merge.counter.on_progress = on_progress
    if format == PARQUET:
        merge.write_parquet(out)
    elif format == COCO_SHARDS:
        merge.write_coco_shards(out)
    else:
        merge.write(format, out)
    return merge.outcome


class _Merge:
    """One merge under way."""

    def __init__(self, plan: Plan, cancel: threading.Event) -> None:
        self._plan, self._cancel = plan, cancel
        self._done = [index for index in plan.shards if plan.is_done(index)]
        self.outcome = MergedPlan(planned=plan.image_count)
        self.counter = ProgressCounter()
        self._by_address = False

    def count(self) -> None:
        """Go through what was found, without the masks: which classes there are, what failed."""
        outcome, classes = self.outcome, set[str]()
        done = set(self._done)
        outcome.missing = [index for index in self._plan.shards if index not in done]
        outcome.missing_images = sum(map(self._plan.planned, outcome.missing))
        for index in self._done:
            counts = self._counts(index)
            outcome.labeled += counts.images - counts.failures.total()
            outcome.annotations += counts.labels.total()
            outcome.failures += counts.failures
            classes |= counts.labels.keys()
        outcome.classes = tuple(sorted(classes))
        self.counter.total = outcome.labeled

    def write(self, name: str, out: Path) -> None:
        """In one of the formats that any labels can have."""
        (form, *others) = formats_of([name])
        if others:
            raise InvalidSetting(f"'{name}' is several formats: {form.name}, ... Merge to one.")
        # Tasks name their images by addresses, which Label Studio opens with its own keys.
        self._by_address = name.startswith("label-studio")
        if isinstance(form, DatasetFormat):
            self.outcome.written += form.write(self._labeled(), out, self.outcome.classes)
        else:
            self._write_image_files(form, out)

    def write_coco_shards(self, folder: Path) -> None:
        """Each file has the same categories, and no id is in two of them."""
        numbers = _Numbers()
        for index in self._done:
            path = folder / f"shard-{index:05}.json"
            labeled = map(numbers.given, self._labeled([index]))
            self.outcome.written += write_coco(labeled, path, self.outcome.classes)

    def write_parquet(self, out: Path) -> None:
        """The rows as they are."""
        paths = map(self._plan.labels_path, self._done)
        for rows in join_shards(paths, out, self._plan.fingerprint):
            self._check()
            self.counter.done += rows - 1
            self.counter.count()
        self.outcome.written.append(out)

    def _write_image_files(self, form: ImageFormat, folder: Path) -> None:
        if form.needs_pixels:
            raise InvalidSetting(
                f"'{form.name}' is made of the images' own pixels, which a plan does not keep. "
                "Merge to coco, and convert that: premask convert coco.json --images DIR"
            )
        stems = Stems()
        for one in self._labeled():
            form.write(one, folder, stems.of(one.image.name))
        self.outcome.written.append(folder)

    def _counts(self, index: int) -> ShardCounts:
        counts, planned = count_shard(self._plan.labels_path(index)), self._plan.planned(index)
        if counts.images != planned:
            path = self._plan.labels_path(index)
            raise InvalidPlan(
                f"'{path}' has {counts.images} rows for the {planned} images of shard {index}. "
                f"Remove it, and label the shard again: premask annotate --plan {self._plan.folder}"
            )
        return counts

    def _labeled(self, shards: Sequence[int] | None = None) -> Iterator[Labeled]:
        """What was found in each image that did not fail."""
        for index in self._done if shards is None else shards:
            for row in read_shard(self._plan.labels_path(index)):
                self._check()
                if row.error is None:
                    yield self._called(row)
                    self.counter.count()

    def _called(self, row: ShardRow) -> Labeled:
        """The image under the name that it has in what is written."""
        labeled = row.labeled
        if self._by_address and local_file_url(row.uri) == row.uri:
            return replace(labeled, image=replace(labeled.image, name=row.uri))
        return labeled

    def _check(self) -> None:
        if self._cancel.is_set():
            raise Cancelled("Stopped, as asked. Nothing was written.")


@dataclass(slots=True)
class _Numbers:
    """Gives images and annotations numbers that go on from file to file."""

    images: int = 0
    annotations: int = 0

    def given(self, labeled: Labeled) -> Labeled:
        self.images += 1
        annotations = tuple(map(self._numbered, labeled.annotations))
        return replace(labeled, annotations=annotations, extra={"id": self.images})

    def _numbered(self, annotation: Annotation) -> Annotation:
        self.annotations += 1
        return replace(annotation, extra={"id": self.annotations})
