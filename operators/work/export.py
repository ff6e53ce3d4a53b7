"""Label fields of FiftyOne -> files of the core's formats, at the memory of a few samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fiftyone import ViewField

from premask.annotations import Labeled
from premask.errors import InvalidSetting, UnreadableImage
from premask.images import Image, read_image
from premask.labels.formats import formats_of
from premask.labels.numbering import Stems
from premask.runs.delivery import Delivery
from premask.runs.inputs import common_folder
from premask.runs.progress import ProgressCounter, ProgressWatcher

from ..dataset.plurals import counted
from ..dataset.provenance import REJECTED
from ..dataset.reading import MEMBERS, label_kind, label_names, read_labels


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export wrote, and the images that are missing in it, with the reason.

    Of clips the images are their frames. `notes` say what the files don't tell of the labels.
    """

    images: int = 0
    annotations: int = 0
    mattes: int = 0
    clips: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_masks(
    samples: Any,
    folder: str | Path,
    *,
    label_fields: Sequence[str],
    formats: Sequence[str] = (),
    classes: Sequence[str] = (),
    on_progress: ProgressWatcher | None = None,
) -> Exported:
    """Write the labels that a dataset or view shows; with `classes`, only these, in their order.

    Images are named by their path below the folder that they have in common. A heatmap among the
    fields is the matte of the masks in the others.
    """
    require_masks(samples, label_fields)
    samples, rejected = without_rejected(samples, label_fields)
    forms = formats_of(formats or ("coco",))
    delivery = Delivery(folder=Path(folder), formats=forms, classes=classes)
    export = _Export(samples, label_fields, delivery, on_progress)
    export.write()
    if rejected:
        export.outcome.notes.append(f"{counted(rejected, 'rejected label')} left out")
    return export.outcome


def without_rejected(samples: Any, label_fields: Sequence[str]) -> tuple[Any, int]:
    """Leave out what a person has rejected in a review; return how many labels these are."""
    kinds = {name: label_kind(samples, name) for name in label_fields}
    listed = [name for name, kind in kinds.items() if kind in MEMBERS]
    rejected = int(samples.count_label_tags(label_fields=listed).get(REJECTED, 0)) if listed else 0
    for name in listed if rejected else ():
        is_rejected = ViewField("tags").contains(REJECTED)
        samples = samples.filter_labels(name, ~is_rejected, only_matches=False)
    return samples, rejected


def require_masks(samples: Any, label_fields: Sequence[str]) -> None:
    """Refuse fields that can't be exported, or none at all."""
    if not label_fields:
        raise InvalidSetting("There is nothing to export: name one label field or more.")
    for name in label_fields:
        if label_kind(samples, name).startswith("Keypoint"):
            raise InvalidSetting(
                f"The points in '{name}' say where objects are, but they are no masks. Make masks "
                "of them with 'Outline labels', and export these."
            )


class _Export:
    """One export under way. It reads the samples once for each file that holds all of them."""

    def __init__(
        self,
        samples: Any,
        fields: Sequence[str],
        delivery: Delivery,
        on_progress: ProgressWatcher | None,
    ) -> None:
        self.outcome = Exported()
        self._samples, self._fields, self._delivery = samples, fields, delivery
        self._root = common_folder([Path(path) for path in samples.distinct("filepath")])
        readings = delivery.dataset_readings + delivery.has_image_files
        self._counter = ProgressCounter(total=len(samples) * readings, on_progress=on_progress)
        self._is_counted = False

    def write(self) -> None:
        """Write the files of all images first, then those of each image."""
        labels = self._delivery.classes or label_names(self._samples, self._fields)
        written = self._delivery.write_dataset_files(self._labeled, labels)
        self.outcome.written += map(str, written)
        stems = Stems()
        for labeled in self._labeled() if self._delivery.has_image_files else ():
            name = labeled.image.name
            stem = stems.of(name)
            if self._delivery.needs_pixels:
                try:
                    image = read_image(self._root / name, name)
                    _require_same_size(image, labeled.image)
                except UnreadableImage as error:
                    self.outcome.failures[name] = error.reason
                    continue
                labeled = replace(labeled, image=image)
            self._delivery.write_image_files(labeled, stem)

    def _labeled(self) -> Iterator[Labeled]:
        """The images that could be read, with the annotations that are wanted."""
        for read in read_labels(self._samples, self._fields):
            name = Path(read.filepath).relative_to(self._root).as_posix()
            image = replace(read.labeled.image, name=name)
            labeled = self._delivery.chosen(replace(read.labeled, image=image))
            if labeled.error is None:
                yield labeled
            else:
                self.outcome.failures[name] = str(labeled.error)
            self._count(labeled)
        # Each file that holds all images reads them once more: they are counted the first time.
        self._is_counted = True

    def _count(self, labeled: Labeled) -> None:
        if not self._is_counted and labeled.error is None:
            self.outcome.images += 1
            self.outcome.annotations += len(labeled.annotations)
            mattes = [a for a in labeled.annotations if a.matte is not None]
            self.outcome.mattes += len(mattes)
        self._counter.count(failed=labeled.error is not None)


def _require_same_size(image: Image, known: Image) -> None:
    if image.size_hw != known.size_hw:
        raise UnreadableImage(
            image.name,
            f"its height and width are {image.size_hw}, but its metadata say {known.size_hw}. Run "
            "dataset.compute_metadata(overwrite=True)",
        )
