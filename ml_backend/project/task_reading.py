"""Annotations and predictions of tasks -> objects on images: whose are taken, and what is left."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ml_backend.project.video_tags import BOXES
from ml_backend.studio.addresses import image_name
from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio import (
    READABLE_TYPES,
    annotations_from_regions,
    is_on_page,
    with_own_labels,
)
from premask.masks import Size

_READ = READABLE_TYPES | {BOXES.lower()}

Json = Mapping[str, Any]
SourceKind = Literal["annotations", "predictions", "both"]
Annotator = Literal["latest", "all", "ground-truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRegions:
    """The regions of one person or one model; `row` is the annotation or the prediction itself."""

    regions: Sequence[Json]
    source: tuple[str, ...]
    row: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """Which annotations or predictions of a task are taken where there are several."""

    kind: SourceKind = "annotations"
    annotator: Annotator = "latest"
    model_version: str | None = None

    def of(self, task: Json) -> list[SourceRegions]:
        """What is taken of this task; nothing at all where nobody has looked at it."""
        people = [] if self.kind == "predictions" else self._annotations(task)
        if people or self.kind == "annotations":
            return people
        return self._prediction(task)

    def _annotations(self, task: Json) -> list[SourceRegions]:
        submitted = _submitted(task)
        if self.annotator == "ground-truth":
            submitted = [annotation for annotation in submitted if annotation["ground_truth"]]
        submitted.sort(key=lambda annotation: (annotation["updated_at"], annotation["id"]))
        return [
            SourceRegions(
                regions=annotation["result"],
                source=(f"annotator {annotation['completed_by']}",),
                row=annotation,
            )
            for annotation in (submitted if self.annotator == "all" else submitted[-1:])
        ]

    def _prediction(self, task: Json) -> list[SourceRegions]:
        wanted = [
            prediction
            for prediction in task["predictions"]
            if self.model_version in (None, prediction["model_version"])
        ]
        newest = sorted(wanted, key=lambda prediction: int(prediction["id"]))[-1:]
        return [
            SourceRegions(
                regions=prediction["result"],
                source=(str(prediction["model_version"]),),
                row=prediction,
            )
            for prediction in newest
        ]


@dataclass(slots=True)
class ReadingCounts:
    """What the summary says besides the labels."""

    not_looked_at: int = 0
    several: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, task: Json, choice: SourceChoice, chosen: Sequence[SourceRegions]) -> None:
        """Count how it went with one task."""
        self.not_looked_at += not chosen
        self.several += choice.kind != "predictions" and len(_submitted(task)) > 1
        for one in chosen:
            types = (str(region.get("type")) for region in with_own_labels(one.regions))
            self.passed_over.update(kind for kind in types if kind not in _READ)

    def sentences(self, choice: SourceChoice) -> Iterator[str]:
        """What was left out, and where there was a choice."""
        if self.not_looked_at:
            yield f"left out, because nobody looked at them: {self.not_looked_at} tasks"
        if self.several:
            yield (
                f"annotated more than once: {self.several} tasks; taken: {choice.annotator} "
                "(--annotator latest, all or ground-truth)"
            )
        for region_type, count in sorted(self.passed_over.items()):
            yield f"passed over, because it is no mask and no box: {count} x {region_type}"


class ImageNames:
    """A unique name for each image, whatever storages and projects it is from.

    With `by_task` all names begin with the number of the task, so that none depends on the others.
    """

    def __init__(self, *, by_task: bool = False) -> None:
        self._taken: set[str] = set()
        self._by_task = by_task

    def of(self, url: str, task: int) -> str:
        """The image's own name; the task's number sets apart those that have the same."""
        own = image_name(url) or f"task-{task}"
        plain = [] if self._by_task else [own]
        apart = (f"task-{task}-{place}/{own}" for place in itertools.count(2))
        candidates = itertools.chain([*plain, f"task-{task}/{own}"], apart)
        name = next(name for name in candidates if name not in self._taken)
        self._taken.add(name)
        return name


def annotations_on(
    chosen: Sequence[SourceRegions], image: str, item_index: int | None = None
) -> tuple[Annotation, ...]:
    """The objects on the image of this tag, or on one of its list; `source` says whose they are."""
    return tuple(
        replace(annotation, source=one.source)
        for one in chosen
        for annotation in annotations_from_regions(_shapes(one, image, item_index))
    )


def size_of(
    chosen: Sequence[SourceRegions], image: str, item_index: int | None = None
) -> Size | None:
    """The upright image's (height, width) according to its regions; None without any."""
    sizes = {
        (int(region["original_height"]), int(region["original_width"]))
        for one in chosen
        for region in _shapes(one, image, item_index)
    }
    if len(sizes) > 1:
        raise InvalidMask(
            f"Its regions were drawn on images of different sizes: {sorted(sizes)}. Delete those "
            "that belong to an older image."
        )
    return next(iter(sizes), None)


def _submitted(task: Json) -> list[Json]:
    """Label Studio keeps what a person skipped, as a cancelled annotation."""
    return [annotation for annotation in task["annotations"] if not annotation["was_cancelled"]]


def _shapes(one: SourceRegions, image: str, item_index: int | None) -> Iterator[Json]:
    for region in with_own_labels(one.regions):
        is_shape = region.get("type") in READABLE_TYPES and region.get("to_name") == image
        if is_shape and is_on_page(region, item_index):
            yield region
