"""What people and models said about tasks -> Labeled: whose word counts, and what is no mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ml_backend.studio.addresses import image_name
from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio import READABLE_TYPES, annotations_from_regions
from premask.masks import Size

Json = Mapping[str, Any]
Kind = Literal["annotations", "predictions", "both"]
Annotator = Literal["latest", "all", "ground-truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRegions:
    """The regions of one person or one model."""

    regions: Sequence[Json]
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """Whose word counts where there are several."""

    kind: Kind = "annotations"
    annotator: Annotator = "latest"
    model_version: str | None = None

    def of(self, task: Json) -> list[SourceRegions]:
        """What counts for this task; nothing at all where nobody has looked at it."""
        people = [] if self.kind == "predictions" else self._annotations(task)
        if people or self.kind == "annotations":
            return people
        return self._prediction(task)

    def _annotations(self, task: Json) -> list[SourceRegions]:
        given = [each for each in task["annotations"] if not each["was_cancelled"]]
        if self.annotator == "ground-truth":
            given = [each for each in given if each["ground_truth"]]
        given.sort(key=lambda each: (each["updated_at"], each["id"]))
        wanted = given if self.annotator == "all" else given[-1:]
        return [
            SourceRegions(regions=each["result"], source=(f"annotator {each['completed_by']}",))
            for each in wanted
        ]

    def _prediction(self, task: Json) -> list[SourceRegions]:
        given = [
            each
            for each in task["predictions"]
            if self.model_version in (None, each["model_version"])
        ]
        newest = sorted(given, key=lambda each: int(each["id"]))[-1:]
        return [
            SourceRegions(regions=each["result"], source=(str(each["model_version"]),))
            for each in newest
        ]


@dataclass(slots=True)
class ReadingCounts:
    """What the summary says besides the labels."""

    not_looked_at: int = 0
    several: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, task: Json, choice: SourceChoice, chosen: Sequence[SourceRegions]) -> None:
        """Remember how it went with one task."""
        self.not_looked_at += not chosen
        given = [each for each in task["annotations"] if not each["was_cancelled"]]
        self.several += choice.kind != "predictions" and len(given) > 1
        for said in chosen:
            kinds = (str(each.get("type")) for each in with_labels(said.regions))
            self.passed_over.update(kind for kind in kinds if kind not in READABLE_TYPES)

    def sentences(self, choice: SourceChoice) -> Iterator[str]:
        """What was left out, and where there was a choice."""
        if self.not_looked_at:
            yield f"left out, because nobody looked at them: {self.not_looked_at} tasks"
        if self.several:
            yield (
                f"annotated more than once: {self.several} tasks; taken: {choice.annotator} "
                "(--annotator latest, all or ground-truth)"
            )
        for kind, count in sorted(self.passed_over.items()):
            yield f"passed over, because it is no mask and no box: {count} x {kind}"


class ImageNames:
    """A name for each image that no other one has, whatever storages and projects it is from."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, url: str, task: int) -> str:
        """The image's own name; the task's number sets apart those that have the same."""
        name = image_name(url) or f"task-{task}"
        if name in self._taken:
            name = f"task-{task}/{name}"
        self._taken.add(name)
        return name


def annotations_on(chosen: Sequence[SourceRegions], image: str) -> tuple[Annotation, ...]:
    """The objects on the image of this tag; each knows who said so."""
    return tuple(
        replace(each, source=said.source)
        for said in chosen
        for each in annotations_from_regions(_shapes(said, image))
    )


def size_of(chosen: Sequence[SourceRegions], image: str) -> Size | None:
    """The upright image's (height, width) according to its regions; None without any."""
    sizes = {
        (int(each["original_height"]), int(each["original_width"]))
        for said in chosen
        for each in _shapes(said, image)
    }
    if len(sizes) > 1:
        raise InvalidMask(
            f"Its regions were drawn on images of different sizes: {sorted(sizes)}. Delete those "
            "that belong to an older image."
        )
    return next(iter(sizes), None)


def with_labels(regions: Sequence[Json]) -> Iterator[Json]:
    """Regions as their own tools write them.

    <Labels> beside <Rectangle> says the label in an item of its own, which has the shape's id.
    """
    labels = {
        each.get("id"): each["value"].get("labels", [])
        for each in regions
        if each.get("type") == "labels"
    }
    for each in regions:
        kind = f"{each.get('type')}labels"
        if each.get("type") != "labels" and kind in READABLE_TYPES:
            value = {**each["value"], kind: labels.get(each.get("id"), [])}
            yield {**each, "type": kind, "value": value}
        elif each.get("type") != "labels" or not labels:
            yield each


def _shapes(said: SourceRegions, image: str) -> Iterator[Json]:
    for each in with_labels(said.regions):
        if each.get("type") in READABLE_TYPES and each.get("to_name") == image:
            if each.get("image_rotation"):
                raise InvalidMask(
                    f"Region {each.get('id')!r} was drawn while the image was turned by "
                    f"{each['image_rotation']} degrees. Turn it back in Label Studio and update."
                )
            yield each
