"""FiftyOne samples -> Labeled, one at a time: read in chunks, as the database has them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import fiftyone as fo
import fiftyone.core.utils as fou
from fiftyone import ViewField

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, InvalidSetting, PremaskError, UnreadableImage
from premask.images import Image
from premask.labels.fiftyone import (
    annotation_from_detection,
    annotation_from_polyline,
    annotations_from_class_map,
    matte_from_heatmap,
    points_from_keypoint,
    with_mattes,
)
from premask.masks import Matte, Size
from premask.prompts import Point

from .schema import FRAMES

Document = Mapping[str, Any]

_CHUNK = 50
"""Samples asked for at once: one fo.Sample after the other takes several times as long."""

MEMBERS = {"Detections": "detections", "Polylines": "polylines", "Keypoints": "keypoints"}
"""Where the types that hold a list of labels have it."""

READABLE = (*MEMBERS, "Detection", "Polyline", "Keypoint", "Segmentation", "Heatmap")
"""The types of labels that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLabels:
    """What one sample holds in the fields that were read.

    `label_ids` has the label of each annotation; the classes of a Segmentation share one. `clicks`
    are its keypoints: the points on one object each.
    """

    sample_id: str
    filepath: str
    labeled: Labeled
    label_ids: tuple[str, ...] = ()
    clicks: tuple[tuple[Point, ...], ...] = ()


def read_labels(samples: Any, fields: Sequence[str]) -> Iterator[SampleLabels]:
    """Read the labels of a dataset or view, in its order; images are named by their path.

    A heatmap is the matte of the masks that agree with it, else an annotation of its own, named by
    its field. A sample with a label that can't be read carries the error.
    """
    readers = [holder_reader(samples, name) for name in fields]
    ids = samples.values("id")
    for first in range(0, len(ids), _CHUNK):
        chunk = samples.select(ids[first : first + _CHUNK], ordered=True)
        # Expressions come as they are stored: nothing is decoded that is not used.
        stored = map(ViewField, ("metadata", *fields))
        for sample in zip(*chunk.values(["id", "filepath", *stored]), strict=True):
            yield _read(readers, *sample)


def readable_fields(samples: Any) -> dict[str, str]:
    """The fields with labels that have a place in the image, and the types of these labels."""
    fields = samples.get_field_schema()
    return {name: _kind(fields[name]) for name in fields if _kind(fields[name]) in READABLE}


def readable_frame_fields(samples: Any) -> dict[str, str]:
    """The same of the frames of videos; their paths begin with `frames.`."""
    fields = samples.get_frame_field_schema() or {}
    return {
        f"{FRAMES}{name}": _kind(field)
        for name, field in fields.items()
        if _kind(field) in READABLE
    }


def label_kind(samples: Any, name: str) -> str:
    """Name the type of a field's labels; raise if they can't be read."""
    kinds = readable_fields(samples)
    if name.startswith(FRAMES):
        kinds = readable_frame_fields(samples)
    if name not in kinds:
        raise InvalidSetting(
            f"The field '{name}' holds no labels with a place in the image "
            f"({', '.join(READABLE)}). Choose one of: {', '.join(kinds) or 'none; label first'}."
        )
    return kinds[name]


def member_path(samples: Any, name: str) -> str:
    """The path of a field's labels: `masks.detections` where it holds a list of them."""
    return ".".join(filter(None, (name, MEMBERS.get(label_kind(samples, name)))))


def label_names(samples: Any, fields: Sequence[str]) -> list[str]:
    """List the classes in these fields, in the dataset's order where it has one, else by name."""
    return list(dict.fromkeys(label for name in fields for label in _names(samples, name)))


def image_size(filepath: str, metadata: Document | None) -> Size:
    """Height and width of the upright image: what FiftyOne knows, else what the file says."""
    known = metadata or {}
    if known.get("height") and known.get("width"):
        return known["height"], known["width"]
    try:
        built = fo.ImageMetadata.build_for(filepath)
    except (OSError, ValueError) as error:
        raise UnreadableImage(filepath, str(error)) from error
    return built.height, built.width


@dataclass(slots=True)
class Found:
    """What was read of one sample, or of one frame, so far."""

    annotations: list[Annotation] = field(default_factory=list)
    label_ids: list[str] = field(default_factory=list)
    clicks: list[tuple[Point, ...]] = field(default_factory=list)
    heatmaps: list[tuple[Document, str, Matte]] = field(default_factory=list)

    def add(self, document: Document, *annotations: Annotation) -> None:
        self.annotations += annotations
        self.label_ids += [str(document["_id"])] * len(annotations)


Reader = Callable[[Found, Any, Size], None]


def _read(
    readers: Sequence[Reader],
    sample_id: str,
    filepath: str,
    metadata: Document | None,
    *labels: Document | None,
) -> SampleLabels:
    found, image, error = Found(), Image.unread(filepath), None
    try:
        image = Image(name=filepath, size_hw=image_size(filepath, metadata))
        for reader, label in zip(readers, labels, strict=True):
            if label is not None:
                reader(found, label, image.size_hw)
        place_heatmaps(found)
    except PremaskError as raised:
        found, error = Found(), raised
    labeled = Labeled(image=image, annotations=tuple(found.annotations), error=error)
    return SampleLabels(
        sample_id=sample_id,
        filepath=filepath,
        labeled=labeled,
        label_ids=tuple(found.label_ids),
        clicks=tuple(found.clicks),
    )


def holder_reader(samples: Any, name: str) -> Reader:
    """Make what reads the labels of a field, given as the database has what holds them."""
    kind = label_kind(samples, name)
    readers: dict[str, Reader] = {
        "Detection": _add_detection,
        "Polyline": _add_polyline,
        "Keypoint": _add_keypoint,
        "Segmentation": partial(_add_segmentation, targets=_targets(samples, name)),
        "Heatmap": partial(_add_heatmap, name=name),
    }
    return partial(_read_field, name, MEMBERS.get(kind), readers[kind.removesuffix("s")])


def _read_field(
    name: str, member: str | None, read: Reader, found: Found, label: Document, size_hw: Size
) -> None:
    documents = (label,) if member is None else label.get(member) or ()
    for document in documents:
        try:
            read(found, document, size_hw)
        # What a broken array, a missing file or a box of three numbers raises.
        except (InvalidMask, OSError, ValueError, KeyError, TypeError, zlib.error) as error:
            raise InvalidMask(
                f"The label {document.get('_id')} in '{name}' can't be read: "
                f"{type(error).__name__}: {error}. Correct it, or delete it."
            ) from error


def _add_detection(found: Found, document: Document, size_hw: Size) -> None:
    mask = _pixels(document, "mask", fo.Detection)
    found.add(document, annotation_from_detection({**document, "mask": mask}, size_hw))


def _add_polyline(found: Found, document: Document, size_hw: Size) -> None:
    found.add(document, annotation_from_polyline(document, size_hw))


def _add_keypoint(found: Found, document: Document, size_hw: Size) -> None:
    found.clicks.append(points_from_keypoint(document, size_hw))


def _add_segmentation(
    found: Found, document: Document, size_hw: Size, *, targets: Mapping[Any, str]
) -> None:
    index, source = _pixels(document, "mask", fo.Segmentation), document.get("source") or ()
    if index is not None:
        found.add(document, *annotations_from_class_map(index, targets, size_hw, source))


def _add_heatmap(found: Found, document: Document, size_hw: Size, *, name: str) -> None:
    values = _pixels(document, "map", fo.Heatmap)
    if values is not None:
        matte = matte_from_heatmap(values, document.get("range"), size_hw)
        found.heatmaps.append((document, name, matte))


def place_heatmaps(found: Found) -> None:
    """Give each matte to the mask it agrees with, or else make an annotation of its own of it."""
    for document, name, matte in found.heatmaps:
        before, after = tuple(found.annotations), with_mattes(found.annotations, matte)
        found.annotations = list(after)
        if after == before and matte.box_xyxy != (0, 0, 0, 0):
            mask, source = matte.mask(), tuple(document.get("source") or ())
            box = mask.box_xyxy
            alone = Annotation(label=name, box_xyxy=box, mask=mask, matte=matte, source=source)
            found.add(document, alone)


def _pixels(document: Document, name: str, kind: Any) -> Any:
    """The array that a label has in the database or on disk, or None."""
    if document.get(name) is not None:
        return fou.deserialize_numpy_array(document[name])
    path = f"{name}_path"
    if document.get(path) is None:
        return None
    return getattr(kind(**{path: document[path]}), f"get_{name}")()


def _kind(schema: Any) -> str:
    return getattr(getattr(schema, "document_type", None), "__name__", "")


def _targets(samples: Any, name: str) -> Mapping[Any, str]:
    return samples.mask_targets.get(name) or samples.default_mask_targets or {}


def _names(samples: Any, name: str) -> list[str]:
    kind = label_kind(samples, name)
    if kind == "Heatmap":
        return []
    if kind == "Segmentation":
        return list(_targets(samples, name).values())
    known = samples.classes.get(name) or samples.default_classes
    return list(known or samples.distinct(f"{member_path(samples, name)}.label"))
