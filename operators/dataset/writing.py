"""Annotations -> labels of FiftyOne, in the fields of a sample, beside what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidSetting
from premask.labels.fiftyone import (
    detection_from_annotation,
    extended_targets,
    heatmap_from_annotations,
    original_of,
    polyline_from_annotation,
    segmentation_from_annotations,
)

from .bulk_store import Document
from .provenance import Stamp
from .schema import FRAMES, add_field, schema_of
from .source_labels import Original


class MapTargets:
    """Numbers the classes in class maps, field by field.

    Numbers that the dataset has already stay; new classes get the next ones.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._numbers: dict[str, dict[int, str]] = {}

    def extended(self, field: str, annotations: Sequence[Annotation]) -> dict[str, int]:
        """The number of each class, with numbers for the classes of these annotations."""
        known = self._numbers.get(field) or self._known(field)
        self._numbers[field] = extended_targets(known, annotations)
        return {name: number for number, name in self._numbers[field].items()}

    def save(self) -> dict[str, dict[str, str]]:
        """Write new numbers into the dataset; return them by field, the numbers as texts."""
        new = {}
        for field, numbers in self._numbers.items():
            known = {str(number) for number in self._known(field)}
            new[field] = {str(n): name for n, name in numbers.items() if str(n) not in known}
            if new[field]:
                self._dataset.mask_targets[field] = dict(numbers)
        if any(new.values()):
            self._dataset.save()
        return {field: added for field, added in new.items() if added}

    def _known(self, field: str) -> dict[Any, str]:
        return self._dataset.mask_targets.get(field) or self._dataset.default_mask_targets or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the labels of one sample go, and who signs them.

    `stem` names the sample's files, and `targets` numbers its classes. `originals` are the labels
    that the new ones are made of, if there are such.
    """

    field: str
    folder: Path
    stem: str
    on_disk: bool
    targets: MapTargets
    stamp: Stamp
    originals: Sequence[Original] = ()

    def label(self, label_type: Any, fields: Mapping[str, Any]) -> Document:
        """A label of these fields that says who made it, as the database has it.

        As a label, FiftyOne 1.22 would take as long for what it does not know as for the rest.
        """
        label = label_type(**fields)
        document: Document = label.to_dict()
        return document | self.stamp.on_label(label)

    def file(self, ending: str = "") -> Path:
        """A PNG of this sample."""
        return self.folder / f"{self.stem}{ending}.png"


Maker = Callable[[Labeled, Place], Sequence[Document]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One way to write annotations, or a part of them.

    What a sample has in a field is called its holder: `fo.Detections`, which holds a list of labels
    in its `member`, or a single `fo.Segmentation`, which is its own holder (`member` is None). Its
    labels have `flags`, true or false, beside what all labels of premask have.
    """

    name: str
    help: str
    label_type: Any
    member: str | None
    labels: Maker
    flags: tuple[str, ...] = ()
    part: Callable[[Labeled, Place], Labeled] | None = None

    def labels_of(self, holder: Any) -> list[Any]:
        """The labels that a sample has in the field."""
        if holder is None:
            return []
        return list(holder[self.member]) if self.member else [holder]

    def holder_of(self, labels: Sequence[Document], existing: Any) -> Document:
        """Make a holder of these labels, with whatever else the existing one knows."""
        if self.member is None:
            return labels[0]
        holder = existing or self.label_type()
        holder[self.member] = []
        document: Document = holder.to_dict()
        return document | {self.member: list(labels)}


def _detections(labeled: Labeled, place: Place) -> list[Document]:
    paths = [
        place.file(f"_{number}") if place.on_disk else None
        for number in range(len(labeled.annotations))
    ]
    return [
        place.label(
            fo.Detection, detection_from_annotation(annotation, labeled.image.size_hw, path)
        )
        | ({} if path else original_of(annotation.mask))
        for annotation, path in zip(labeled.annotations, paths, strict=True)
    ]


def _boxes(labeled: Labeled, place: Place) -> list[Document]:
    boxes = (replace(annotation, mask=None, matte=None) for annotation in labeled.annotations)
    size_hw = labeled.image.size_hw
    return [place.label(fo.Detection, detection_from_annotation(b, size_hw)) for b in boxes]


def _polylines(labeled: Labeled, place: Place) -> list[Document]:
    outlined = (
        annotation
        for annotation in labeled.annotations
        if annotation.mask is None or annotation.mask.area
    )
    size_hw = labeled.image.size_hw
    return [place.label(fo.Polyline, polyline_from_annotation(o, size_hw)) for o in outlined]


def _segmentation(labeled: Labeled, place: Place) -> list[Document]:
    numbers = place.targets.extended(place.field, labeled.annotations)
    size_hw = labeled.image.size_hw
    fields = segmentation_from_annotations(labeled.annotations, size_hw, numbers, place.file())
    return [place.label(fo.Segmentation, fields | {"source": _sources(labeled.annotations)})]


def _heatmap(labeled: Labeled, place: Place) -> list[Document]:
    fields = heatmap_from_annotations(labeled.annotations, labeled.image.size_hw, place.file())
    return [place.label(fo.Heatmap, fields | {"source": _sources(labeled.annotations)})]


def _sources(annotations: Sequence[Annotation]) -> list[str]:
    return list(dict.fromkeys(model for annotation in annotations for model in annotation.source))


_OUTPUTS = (
    Output(
        name="detections",
        help="a box and an exact mask for each object",
        label_type=fo.Detections,
        member="detections",
        labels=_detections,
    ),
    Output(
        name="boxes",
        help="a box for each object, without its mask",
        label_type=fo.Detections,
        member="detections",
        labels=_boxes,
    ),
    Output(
        name="polylines",
        help="filled polygons along the edges of the pixels",
        label_type=fo.Polylines,
        member="polylines",
        labels=_polylines,
    ),
    Output(
        name="segmentation",
        help="one map of classes for each image, on disk",
        label_type=fo.Segmentation,
        member=None,
        labels=_segmentation,
    ),
    Output(
        name="heatmap",
        help="the soft alpha of all objects of an image, on disk",
        label_type=fo.Heatmap,
        member=None,
        labels=_heatmap,
    ),
)

OUTPUTS: dict[str, Output] = {output.name: output for output in _OUTPUTS}


_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "premask_run": {"ftype": fo.StringField},
    "premask_recipe": {"ftype": fo.StringField},
    "source": {"ftype": fo.ListField, "subfield": fo.StringField},
}
"""What premask's labels have beside FiftyOne's own: the App filters by what the schema knows."""

_FLAG: dict[str, Any] = {"ftype": fo.BooleanField}


def outputs_of(names: Sequence[str], field: str) -> dict[str, Output]:
    """Name the field of each output: the first gets `field`, others a suffix (`field_boxes`).

    The order is that of `OUTPUTS`, however the names are ordered.
    """
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown or not names:
        raise InvalidSetting(
            f"What to write is one or more of {', '.join(OUTPUTS)}; "
            f"got {', '.join(unknown) or 'nothing'}."
        )
    wanted = [output for output in _OUTPUTS if output.name in names]
    fields = [field, *(f"{field}_{output.name}" for output in wanted[1:])]
    return dict(zip(fields, wanted, strict=True))


def prepare_fields(dataset: Any, outputs: dict[str, Output]) -> tuple[list[str], list[str]]:
    """Make the fields that the dataset lacks, and the attributes that labels in them will have.

    Return the new fields, and the new attributes in fields that were there before.
    """
    require_fitting(dataset, outputs)
    fields = [field for field in outputs if not dataset.has_field(field)]
    for field in fields:
        kind = outputs[field].label_type
        add_field(dataset, field, fo.EmbeddedDocumentField, embedded_doc_type=kind)
    attributes = []
    for field, output in outputs.items():
        path = f"{field}.{output.member}" if output.member else field
        for name, kind in {**_ATTRIBUTES, **dict.fromkeys(output.flags, _FLAG)}.items():
            is_new = field not in fields and not dataset.has_field(f"{path}.{name}")
            attributes += [f"{path}.{name}"] if is_new else []
            add_field(dataset, f"{path}.{name}", **kind)
    return fields, attributes


def require_fitting(dataset: Any, outputs: dict[str, Output]) -> None:
    """Refuse fields that hold something else, or that can't be."""
    for field, output in outputs.items():
        name, schema = field.removeprefix(FRAMES), schema_of(dataset, field)
        if name not in schema:
            # FiftyOne keeps names that begin with an underscore for itself.
            if not name.isidentifier() or name.startswith("_"):
                raise InvalidSetting(
                    f"'{name}' can't name a field. Begin with a letter, and use letters, digits "
                    "and underscores, as in 'subject'."
                )
            continue
        kind = getattr(schema[name], "document_type", type(schema[name]))
        if kind is not output.label_type:
            raise InvalidSetting(
                f"The field '{field}' holds {kind.__name__}, but {output.name} are "
                f"{output.label_type.__name__}. Choose another field."
            )
