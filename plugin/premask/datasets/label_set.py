"""From labels in a file, a folder or in memory to one side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from premask.annotations import Labeled
from premask.datasets.coco_sets import coco_set, results_set, stuff_among
from premask.datasets.comparison_side import LabeledImage, LabelSet
from premask.datasets.image_files import Images
from premask.datasets.label_spool import LabelSpool
from premask.datasets.reading import read
from premask.errors import InvalidSetting
from premask.evaluation.objects import TableRow
from premask.labels.coco import is_coco
from premask.labels.coco_ids import CocoIds
from premask.labels.coco_results import is_coco_results
from premask.labels.glimpse import Glimpse
from premask.masks import Size
from premask.runs.progress import ProgressCounter, ProgressWatcher

Source = str | Path | Iterable[Labeled]
"""A file or a folder of labels in any format that can be read, or the labels themselves."""


def read_label_set(
    source: Source,
    images: Images | None = None,
    *,
    truth: LabelSet | None = None,
    on_progress: ProgressWatcher | None = None,
) -> LabelSet:
    """Go through one side; a list of results takes the names of images and classes from the truth.

    Formats that don't tell how large their images are need the `images`. Of COCO files, it is kept
    where each record is; what else there is waits in a file of its own.
    """
    if not isinstance(source, (str, Path)):
        return _spooled(source, "labels", on_progress)
    path = Path(source)
    glimpse = Glimpse.of(path)
    is_empty_list = truth is not None and glimpse.head.split() == [b"[]"]
    if is_coco_results(glimpse) or is_empty_list:
        return results_set(path, truth, on_progress)
    if is_coco(glimpse):
        return coco_set(path, on_progress)
    dataset = read(path, images)
    ids = dataset.ids or CocoIds()
    side = _spooled(dataset, str(path), on_progress)
    return replace(side, stuff=stuff_among(ids.category_records.values()))


def _spooled(
    labeled: Iterable[Labeled], source: str, on_progress: ProgressWatcher | None
) -> LabelSet:
    """Labels that come image by image, in whatever order."""
    counter, spool = ProgressCounter(on_progress=on_progress), LabelSpool()
    sizes, places, labels, has_mattes = dict[str, Size](), dict[str, int](), set[str](), False
    for one in labeled:
        counter.count(failed=one.error is not None)
        if one.error is not None:
            continue
        name = one.image.name
        if name in sizes:
            raise InvalidSetting(f"{source} has two images with the name '{name}'.")
        sizes[name], places[name] = one.image.size_hw, spool.add(one)
        labels |= {found.label for found in one.annotations}
        has_mattes |= any(found.matte is not None for found in one.annotations)

    def load(names: Sequence[str]) -> list[LabeledImage]:
        return [_labeled_image(spool.at(places[name])) for name in names]

    return LabelSet(
        source=source, sizes=sizes, load=load, labels=frozenset(labels), has_mattes=has_mattes
    )


def _labeled_image(one: Labeled) -> LabeledImage:
    return LabeledImage(
        name=one.image.name,
        size_hw=one.image.size_hw,
        rows=[TableRow.of(annotation) for annotation in one.annotations],
        mattes=[found.matte for found in one.annotations if found.matte is not None],
    )
