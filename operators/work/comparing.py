"""Compare two sides' labels image by image, with the masks of a few images in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from premask.annotations import Labeled
from premask.datasets.differences import class_rows, totals_of
from premask.datasets.matched_images import known_numbers
from premask.datasets.measured_pairs import Measuring
from premask.errors import InvalidSetting
from premask.evaluation.comparison import ComparedTables, compare_tables
from premask.evaluation.objects import TableBuilder, TableRow
from premask.evaluation.overlaps import EITHER
from premask.runs.progress import Progress, ProgressCounter

from ..dataset.chosen_images import dataset_of
from ..dataset.comparisons import BINS, Compared, Question, Tables, bins_of, keep
from ..dataset.reading import label_names
from ..dataset.sides import Pair, Side, digest_of, label_pairs, looked_at_by_both, run_titles

_AT_ONCE = 50
"""Images whose masks are in memory."""


class Comparing:
    """One comparison under way; its result is in `compared`, and kept, once all steps are done."""

    def __init__(self, samples: Any, *, one: str, other: str, iou: float = 0.5) -> None:
        if one == other:
            raise InvalidSetting(f"Both sides are '{one}'. Choose another field, or another run.")
        if not 0 < iou <= 1:
            raise InvalidSetting(f"An IoU is more than 0 and at most 1; got {iou}.")
        self.dataset = dataset_of(samples)
        self.sides = Side.named(one), Side.named(other)
        self.samples = looked_at_by_both(samples, *self.sides)
        titles, runs = [], run_titles(self.dataset)
        titles = [side.title(runs) for side in self.sides]
        question = Question(
            one=one,
            other=other,
            iou=iou,
            stages=stages_of(samples, self.dataset),
            titles=(titles[0], titles[1]),
        )
        self.compared = Compared(question=question, since=last_change(self.samples))
        # The dataset's own order of classes, as far as it has one.
        fields = [side.field for side in self.sides]
        self._classes = {name: place for place, name in enumerate(label_names(samples, fields))}
        self._ids: tuple[list[str], list[str]] = ([], [])
        self._images: dict[str, int] = {}
        self._left_out = len(samples) - len(self.samples)

    def steps(self) -> Iterator[Progress]:
        """Do the work, and say after each few images how far it got."""
        counter = ProgressCounter(total=len(self.samples))
        work = Measuring(by=[EITHER], least=self.compared.question.iou)
        pairs = label_pairs(self.samples, *self.sides)
        while batch := list(islice(pairs, _AT_ONCE)):
            self._add(batch, work)
            for _ in batch:
                counter.count()
            yield counter.progress()
        if not self._images:
            raise InvalidSetting(
                f"No image has been looked at for both {' and '.join(map(str, self.sides))}. "
                "Label the same images into both, or choose other sides."
            )
        self._finish(work)
        keep(self.dataset, self.compared)

    def _add(self, batch: list[Pair], work: Measuring) -> None:
        builders = TableBuilder(self._classes), TableBuilder(self._classes)
        for place, pair in enumerate(batch):
            self._images[pair[0].sample_id] = digest_of(pair)
            error = pair[0].labeled.error or pair[1].labeled.error
            if error is not None:
                self.compared.failures[pair[0].filepath] = str(error)
                continue
            for builder, side, ids in zip(builders, pair, self._ids, strict=True):
                builder.add(place, _rows(side.labeled))
                ids += side.label_ids
        work.add(builders[0].table(), builders[1].table(), len(batch))

    def _finish(self, work: Measuring) -> None:
        measured = work.measured()
        matched = compare_tables(measured.ones, measured.others, measured.overlaps[EITHER])
        compared, names = self.compared, list(self._classes)
        compared.images, compared.left_out = len(self._images), self._left_out
        compared.classes = names
        compared.rows = known_numbers(class_rows(matched, names))
        compared.totals = known_numbers(totals_of(matched, len(self._images)))
        compared.unmasked = sum(measured.unmasked)
        compared.histogram = _histogram(matched, names)
        compared.tables = self._tables(matched)

    def _tables(self, matched: ComparedTables) -> Tables:
        return {
            "image_ids": np.array(list(self._images), "S24"),
            "image_digests": np.array(list(self._images.values()), np.uint64),
            "one_ids": np.array(self._ids[0], "S24"),
            "one_classes": matched.ones.classes,
            "one_scores": matched.ones.scores,
            "one_partners": matched.partners,
            "one_ious": matched.ious,
            "one_alone": matched.alone,
            "other_ids": np.array(self._ids[1], "S24"),
            "other_classes": matched.others.classes,
            "other_scores": matched.others.scores,
            "other_alone": matched.others_alone,
        }


def compare(samples: Any, *, one: str, other: str, iou: float = 0.5) -> Compared:
    """Compare two sides in a dataset or view, and keep the result among the dataset's runs."""
    work = Comparing(samples, one=one, other=other, iou=iou)
    for _ in work.steps():
        pass
    return work.compared


def last_change(samples: Any) -> str:
    """When one of these samples was changed last."""
    moment = samples.max("last_modified_at")
    return moment.isoformat() if moment else ""


def stages_of(samples: Any, dataset: Any) -> str:
    """A view as text, of which it can be made again; nothing for the whole dataset."""
    return "" if samples == dataset else json.dumps(samples._serialize(include_uuids=False))


def _rows(labeled: Labeled) -> list[TableRow]:
    return [TableRow.of(annotation) for annotation in labeled.annotations]


def _histogram(matched: ComparedTables, names: list[str]) -> dict[str, list[int]]:
    """How many pairs of each class have an IoU in each bin."""
    agreed = matched.same_class
    bins, classes = bins_of(matched.ious[agreed]), matched.ones.classes[agreed]
    counts = {
        name: np.bincount(bins[classes == place], minlength=BINS).tolist()
        for place, name in enumerate(names)
    }
    return {name: found for name, found in counts.items() if any(found)}
