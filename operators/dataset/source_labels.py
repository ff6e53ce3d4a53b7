"""The labels of a field, as hints that say where objects are, each with its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fiftyone import ViewField

from premask.annotations import Annotation
from premask.errors import InvalidSetting, PremaskError
from premask.geometry import Box
from premask.images import Image
from premask.labels.fiftyone import hint_from_annotation, hints_from_clicks
from premask.prompts import Hint, Point, Prompts
from premask.runs.crops import Crops

from .reading import SampleLabels, label_kind, member_path, read_labels, readable_fields

SHAPES = ("Detections", "Polylines", "Detection", "Polyline")
"""Labels of one object each that have a shape, or at least a box."""

HINTS = (*SHAPES, "Keypoints", "Keypoint")
"""Labels that say where one object is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A label of FiftyOne's, and what was read of it; of a keypoint, that is nothing."""

    label: Any
    annotation: Annotation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for in one sample. The `track` of each object is its place in `originals`.

    With an `image`, no pixels are needed. With `crops`, only these parts of the image are looked
    at. `places` are the boxes that somebody chose: labels elsewhere in the image stay.
    """

    prompts: Prompts
    image: Image | None = None
    crops: Crops | None = None
    places: tuple[Box, ...] | None = None
    originals: tuple[Original, ...] = ()
    error: PremaskError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLabels:
    """The labels that a dataset or view shows in a field; or those that somebody chose there."""

    samples: Any
    field: str
    needs_pixels: bool
    are_chosen: bool = False

    def labeled_samples(self) -> Any:
        """The samples that have such labels."""
        path, samples = member_path(self.samples, self.field), self.samples.exists(self.field)
        return samples if path == self.field else samples.match(ViewField(path).length() > 0)

    def of(self, ids: Sequence[str]) -> dict[str, Asked]:
        """What these samples have."""
        samples = self.samples.select(ids, ordered=True)
        labels = samples.values(member_path(samples, self.field))
        return {
            read.sample_id: self._asked(read, held if isinstance(held, list) else [held])
            for read, held in zip(read_labels(samples, [self.field]), labels, strict=True)
        }

    def _asked(self, read: SampleLabels, labels: Sequence[Any]) -> Asked:
        known = dict(zip(read.label_ids, read.labeled.annotations, strict=True))
        originals = tuple(Original(label=label, annotation=known.get(label.id)) for label in labels)
        hints = tuple(_hints(originals, read.clicks))
        boxes = [hint.box_xyxy or _around(hint.points) for hint in hints]
        return Asked(
            prompts=Prompts(objects=hints),
            places=tuple(boxes) if self.are_chosen else None,
            image=None if self.needs_pixels else read.labeled.image,
            originals=originals,
            error=read.labeled.error,
        )


def source_fields(samples: Any, kinds: Sequence[str]) -> dict[str, str]:
    """The fields with labels of these kinds."""
    return {name: kind for name, kind in readable_fields(samples).items() if kind in kinds}


def require_source(samples: Any, field: str, kinds: Sequence[str]) -> None:
    """Refuse a field without labels of these kinds."""
    if (kind := label_kind(samples, field)) not in kinds:
        fields = ", ".join(source_fields(samples, kinds)) or "none; label first"
        raise InvalidSetting(
            f"The field '{field}' holds {kind}, but this works on {', '.join(kinds)}. Choose one "
            f"of: {fields}."
        )


def _hints(originals: Sequence[Original], clicks: Sequence[tuple[Point, ...]]) -> Iterator[Hint]:
    """One for each object."""
    yield from hints_from_clicks(clicks)
    for track, original in enumerate(originals):
        if original.annotation is not None:
            yield hint_from_annotation(original.annotation, track)


def _around(points: Sequence[Point]) -> Box:
    across, down = [point.x for point in points], [point.y for point in points]
    return min(across), min(down), max(across), max(down)
