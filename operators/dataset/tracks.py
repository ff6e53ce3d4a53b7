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
from premask.labels.fiftyone import detection_from_annotation, original_of
from premask.masks import Size

from .bulk_store import Document
from .history import Run
from .provenance import Stamp
from .schema import FRAMES
from .track_numbers import Identity, identity_of
from .writing import OUTPUTS

TRACKS = replace(
    OUTPUTS["detections"],
    name="tracks",
    help="the same object's box and mask in each frame",
    flags=("keyframe",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A label, and what it says of whose it is. `is_keyframe` is None where it does not say."""

    label_id: str
    identity: Identity
    is_keyframe: bool | None


def mark_of(document: Mapping[str, Any]) -> Mark:
    """Read the marks of a label as the database has it."""
    return Mark(
        label_id=str(document["_id"]),
        identity=identity_of(document),
        is_keyframe=document.get("keyframe"),
    )


def is_lone(mark: Mark) -> bool:
    """Whether the label does not say which object it is."""
    return mark.identity.index is None and mark.identity.instance_id is None


def shared_indices(marks: Iterable[Mark]) -> set[int]:
    """The indices that several classes of one frame have, whose marks these are."""
    classes: dict[int, str] = {}
    return {
        one.index
        for one in (mark.identity for mark in marks)
        if one.index is not None
        and one.instance_id is None
        and classes.setdefault(one.index, one.label) != one.label
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
        self._taken = {mark.identity.index for mark in (*held, *others)}
        self._instances: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        # The App groups labels without an Instance by their index: then ours have no Instance, too.
        self._bare = {one.identity.index for one in held if one.identity.instance_id is None}
        for mark in sorted((*held, *others), key=lambda mark: mark.identity.index is None):
            self.number(mark)

    def number(self, mark: Mark) -> int:
        """The number of the object that has this mark."""
        index, instance = mark.identity.index, mark.identity.instance_id
        if instance is None:
            if index is not None and index not in self._shared:
                return index
            seed = mark.label_id if index is None else f"{mark.identity.label} {index}"
            instance = self._derived(seed)
        if instance not in self._numbers:
            number = index
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
    return document | stamp.on_label(label) | ({} if path else original_of(found.mask))
