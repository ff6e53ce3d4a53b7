"""Who is who in a clip's frames: the index of FiftyOne's labels, and the Instance they share."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fiftyone as fo

from premask.annotations import Annotation
from premask.labels.fiftyone import detection_from_annotation
from premask.masks import Size

from .bulk_store import Document
from .history import Run
from .provenance import Stamp
from .schema import FRAMES
from .writing import OUTPUTS

TRACKS = replace(
    OUTPUTS["detections"],
    name="tracks",
    help="the same object's box and mask in each frame",
    flags=("keyframe",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a label says of whose it is. `is_keyframe` is None where it does not say."""

    label_id: str
    label: str
    index: int | None
    instance: str | None
    is_keyframe: bool | None


def mark_of(document: Mapping[str, Any]) -> Mark:
    """Read the marks of a label as the database has it."""
    instance = (document.get("instance") or {}).get("_id")
    return Mark(
        label_id=str(document["_id"]),
        label=document.get("label") or "",
        index=document.get("index"),
        instance=None if instance is None else str(instance),
        is_keyframe=document.get("keyframe"),
    )


def shared_indices(marks: Iterable[Mark]) -> set[int]:
    """The indices that several classes of one frame have, whose marks these are."""
    classes: dict[int, str] = {}
    return {
        mark.index
        for mark in marks
        if mark.index is not None
        and mark.instance is None
        and classes.setdefault(mark.index, mark.label) != mark.label
    }


def label_of(document: Mapping[str, Any]) -> fo.Detection:
    """The label that the database has as this document, which stays as it is."""
    # FiftyOne puts objects of its own in the place of what it finds.
    return fo.Detection.from_dict(dict(document))


class Tracks:
    """The objects of one clip in one field: each has a number, by which the core knows it.

    Labels with the same Instance, or with the same index, are one object; one that has neither is
    an object of its own. `held` are the marks in the field itself, and `others` those of labels
    elsewhere. Indices that are `shared` count for each class by themselves.
    """

    def __init__(
        self, name: str, held: Iterable[Mark], others: Iterable[Mark], shared: Set[int]
    ) -> None:
        held, others = list(held), list(others)
        self._name, self._shared = name, shared
        self._taken = {mark.index for mark in (*held, *others)}
        self._instances: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        # The App groups labels without an Instance by their index: then ours have no Instance, too.
        self._bare = {mark.index for mark in held if mark.instance is None}
        for mark in sorted((*held, *others), key=lambda mark: mark.index is None):
            self.number(mark)

    def number(self, mark: Mark) -> int:
        """The number of the object that has this mark."""
        instance = mark.instance
        if instance is None:
            if mark.index is not None and mark.index not in self._shared:
                return mark.index
            is_lone = mark.index is None
            instance = self._derived(mark.label_id if is_lone else f"{mark.label} {mark.index}")
        if instance not in self._numbers:
            number = mark.index
            if number is None or number in self._instances:
                number = next(n for n in itertools.count(1) if n not in self._taken)
                self._taken.add(number)
            self._numbers[instance] = number
            self._instances[number] = instance
        return self._numbers[instance]

    def instance(self, number: int) -> str | None:
        """The Instance of an object's new labels; None where they are known by their index."""
        if number not in self._instances and number in self._bare:
            return None
        return self._instances.get(number) or self._derived(f"track {number}")

    def _derived(self, seed: str) -> str:
        """The id of an Instance that the next run makes again, whatever became of this one."""
        return hashlib.blake2b(f"{self._name} {seed}".encode(), digest_size=12).hexdigest()


def work_folder(run: Run, path: str) -> Path:
    """Where the work on the clips of a field is kept, so that the next run goes on there."""
    return Path(run.folder).parent / "premask_clips" / path.removeprefix(FRAMES)


def track_document(
    found: Annotation,
    size_hw: Size,
    stamp: Stamp,
    instance: str | None,
    path: Path | None,
    *,
    has_keyframes: bool = True,
) -> Document:
    """A label of a track as the database has it; its mask is written to `path` if there is one.

    The App fills in between keyframes whatever says that it is none. So labels say nothing where
    nobody knows (`has_keyframes`).
    """
    fields = detection_from_annotation(found, size_hw, path)
    if has_keyframes:
        fields["keyframe"] = found.keyframe
    if instance is not None:
        fields["instance"] = fo.Instance(id=instance)
    label = fo.Detection(**fields)
    document: Document = label.to_dict()
    return document | stamp.on_label(label)
