"""What is in a set of labels: classes, sizes, empty images, and what is there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from premask.annotations import Annotation, Labeled
from premask.datasets.image_files import ImageFiles, Images
from premask.datasets.lookalikes import Groups, similar_images, similar_labels
from premask.datasets.reading import read
from premask.evaluation.average_precision import SIZES
from premask.geometry import box_area
from premask.runs.progress import ProgressCounter, ProgressWatcher


@dataclass(slots=True, kw_only=True)
class ClassCounts:
    """Objects of one class, in how many images, and of which of COCO's sizes they are."""

    label: str
    objects: int = 0
    images: int = 0
    small: int = 0
    medium: int = 0
    large: int = 0
    area: float = 0.0

    @property
    def mean_area(self) -> float:
        return self.area / self.objects if self.objects else 0.0


@dataclass(slots=True, kw_only=True)
class Statistics:
    """Counts; `same` are names of images that are there twice, `alike` those that nearly are.

    They are found by the images where these were given, and by the labels otherwise.
    """

    images: int = 0
    empty: int = 0
    failed: int = 0
    annotations: int = 0
    masks: int = 0
    mattes: int = 0
    crowds: int = 0
    scores: int = 0
    most_in_an_image: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    classes: dict[str, ClassCounts] = field(default_factory=dict)
    same: Groups = field(default_factory=list)
    alike: Groups = field(default_factory=list)

    def add(self, one: Labeled) -> None:
        self.images += 1
        if one.error is not None:
            self.failed += 1
            return
        height, width = one.image.size_hw
        self.sizes[f"{width} x {height}"] += 1
        self.empty += not one.annotations
        self.most_in_an_image = max(self.most_in_an_image, len(one.annotations))
        for annotation in one.annotations:
            self._add_object(annotation)
        for label in {annotation.label for annotation in one.annotations}:
            self.classes[label].images += 1

    def as_json(self) -> dict[str, Any]:
        data = asdict(self)
        return data | {"classes": list(data["classes"].values()), "sizes": dict(self.sizes)}

    def _add_object(self, annotation: Annotation) -> None:
        self.annotations += 1
        self.masks += annotation.mask is not None
        self.mattes += annotation.matte is not None
        self.crowds += annotation.crowd
        self.scores += annotation.score is not None
        of_class = self.classes.setdefault(annotation.label, ClassCounts(label=annotation.label))
        mask = annotation.mask
        area = box_area(annotation.box_xyxy) if mask is None else float(mask.area)
        of_class.objects += 1
        of_class.area += area
        of_class.small += area < SIZES["medium"][0]
        of_class.medium += SIZES["medium"][0] <= area < SIZES["large"][0]
        of_class.large += area >= SIZES["large"][0]


def stats(
    source: str | Path | Iterable[Labeled],
    images: Images | None = None,
    *,
    on_progress: ProgressWatcher | None = None,
) -> Statistics:
    """Count what is in labels: a file, a folder, or `Labeled`s.

    With `images`, these are looked at, one at a time, to find those that are there twice.
    """
    labeled = read(source, images) if isinstance(source, (str, Path)) else source
    statistics, names = Statistics(), list[str]()
    counter = ProgressCounter(on_progress=on_progress)

    def counted() -> Iterator[Labeled]:
        for one in labeled:
            statistics.add(one)
            names.append(one.image.name)
            counter.count(failed=one.error is not None)
            yield one

    found = similar_labels(counted())
    if images is not None:
        files = ImageFiles.of(images)
        paths = {name: path for name in names if (path := files.path_of(name)) is not None}
        counter = ProgressCounter(total=len(paths), on_progress=on_progress)
        found = similar_images(paths, counter.count)
    statistics.same, statistics.alike = found
    return statistics
