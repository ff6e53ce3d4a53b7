"""What a tracker remembers of one object: bounded, whatever the length of the clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far back a network looks; `anchors` is None where it looks at all of them."""

    features: int
    pointers: int
    anchors: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """One object in one frame: a pointer (1, 1, d), and features if they are still needed.

    Their shape is the network's own.
    """

    pointer: torch.Tensor
    features: torch.Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recall:
    """What is looked at in one frame: features and pointers, each by how many frames ago.

    An anchor's features count as 0 frames old, however long ago it was.
    """

    features: tuple[tuple[int, torch.Tensor], ...]
    pointers: tuple[tuple[int, torch.Tensor], ...]

    @property
    def layout(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Objects that are remembered from the same times go through the network together."""
        return tuple(age for age, _ in self.features), tuple(age for age, _ in self.pointers)


@dataclass(slots=True, kw_only=True, eq=False)
class ObjectMemory:
    """The frames in which somebody pointed at an object, its `anchors`, and the `recent` others.

    Frames are counted upwards as they are shown, in which direction ever the clip runs: networks
    know nothing but how long ago something was.
    """

    reach: Reach
    anchors: dict[int, Memory] = field(default_factory=dict)
    recent: dict[int, Memory] = field(default_factory=dict)

    def keep_anchor(self, frame: int, memory: Memory) -> None:
        self.recent.pop(frame, None)
        self.anchors[frame] = memory

    def keep(self, frame: int, memory: Memory) -> None:
        """Remember it, and forget what no later frame will look at."""
        self.recent[frame] = memory
        for past in list(self.recent):
            if past <= frame - self.reach.pointers:
                del self.recent[past]
            elif past <= frame - self.reach.features:
                self.recent[past] = replace(self.recent[past], features=None)

    def recall(self, frame: int) -> Recall:
        """What the network looks at when it comes to this frame."""
        near = self._nearest_anchors(frame)
        others = {past: memory for past, memory in self.anchors.items() if past not in near}
        ages = range(self.reach.features, 0, -1)
        seen = [(0, memory) for memory in near.values()]
        seen += _at_ages(frame, ages, {**others, **self.recent})
        pointed = [(frame - past, memory) for past, memory in self.anchors.items()]
        pointed += _at_ages(frame, range(1, self.reach.pointers + 1), self.recent)
        return Recall(
            features=tuple(
                (age, memory.features) for age, memory in seen if memory.features is not None
            ),
            pointers=tuple((age, memory.pointer) for age, memory in pointed),
        )

    def _nearest_anchors(self, frame: int) -> Mapping[int, Memory]:
        most = self.reach.anchors
        if most is None or len(self.anchors) <= most:
            return self.anchors
        nearest = sorted(self.anchors, key=lambda past: frame - past)[:most]
        return {past: self.anchors[past] for past in nearest}


def _at_ages(
    frame: int, ages: range, memories: Mapping[int, Memory]
) -> Iterator[tuple[int, Memory]]:
    for age in ages:
        if frame - age in memories:
            yield age, memories[frame - age]
