"""Which labels in the frames of a clip are the same object, and the number of each object."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """What a label says of which object it is: FiftyOne's `index` and `Instance`, or nothing."""

    label: str
    index: int | None
    instance_id: str | None


def identity_of(document: Mapping[str, Any]) -> Identity:
    """Read what a label, as the database has it, says of itself."""
    instance = document.get("instance") or {}
    return Identity(
        label=document.get("label") or "",
        index=document.get("index"),
        instance_id=str(instance["_id"]) if instance else None,
    )


class TrackNumbers:
    """A number for each object of a clip; that of its labels' `index` wherever that is possible.

    Labels with the same `Instance` are one object, whatever else they say. Of others those with
    the same index are, as trackers number them. Where two of these in one frame differ in their
    class, each class was numbered for itself, and objects are told apart by class and index, as
    FiftyOne's `to_trajectories` does it. Labels that say nothing are objects of one frame each.
    """

    def __init__(self, frames: Iterable[Sequence[Identity]]) -> None:
        """Go through all frames of the clip."""
        indices = dict[Identity, None]()
        self._shared = set[int]()
        for identities in frames:
            classes = dict[int, str]()
            for one in identities:
                indices[one] = None
                if one.instance_id is not None or one.index is None:
                    continue
                if classes.setdefault(one.index, one.label) != one.label:
                    self._shared.add(one.index)
        wanted = dict[Hashable, int | None]()
        for one in indices:
            if (key := self._key(one)) is not None:
                wanted[key] = one.index if wanted.get(key) is None else wanted[key]
        self._numbers = _numbered(wanted)

    def of(self, identity: Identity) -> int | None:
        """The object's number; None for a label that says nothing."""
        key = self._key(identity)
        return None if key is None else self._numbers[key]

    def _key(self, identity: Identity) -> Hashable | None:
        if identity.instance_id is not None:
            return identity.instance_id
        if identity.index in self._shared:
            return identity.index, identity.label
        return identity.index


def _numbered(wanted: dict[Hashable, int | None]) -> dict[Hashable, int]:
    """The wanted numbers, to those who come first; the others get the next free ones."""
    owners = dict[int, Hashable]()
    for key, index in wanted.items():
        if index is not None:
            owners.setdefault(index, key)
    numbers = {key: index for index, key in owners.items()}
    free = max(0, *owners) if owners else 0
    for key in wanted:
        if key not in numbers:
            free += 1
            numbers[key] = free
    return numbers
