"""What was proposed for tasks: labels, recipes, and shapes as long as there is room for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from premask.annotations import Annotation
from premask.errors import InvalidMask
from premask.labels.label_studio import (
    PATH_SEPARATOR,
    READABLE_TYPES,
    annotations_from_regions,
    with_own_labels,
)

TASKS = 20_000
REGIONS_OF_A_TASK = 2_000
"""How many are remembered; the oldest are forgotten first."""

TASKS_WITH_SHAPES, SHAPE_BYTES = 500, 200_000
"""The masks of so many tasks are remembered, and of a task so many bytes of run lengths."""

SHAPES, SHAPE_PIXELS = 300, 2**25
"""So many regions of a task are decoded, on images of so many pixels: decoding takes time and
memory, and anybody who can send an event can make up regions."""

LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One region that was proposed, by which recipe; `shape` is None where it is not known.

    One for a click that is not in the annotation does not count as deleted: the person may have
    clicked again.
    """

    label: str
    clicked: bool
    recipe: str = ""
    image: str = ""
    shape: Annotation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRegion:
    """A region of an annotation or a prediction, as far as it can be read."""

    identifier: str
    label: str
    image: str
    origin: str
    shape: Annotation | None


class Proposals:
    """The proposals for each task, by the ids of their regions."""

    def __init__(self) -> None:
        self._of_tasks: OrderedDict[str, dict[str, Proposal]] = OrderedDict()
        self._shapes: OrderedDict[str, None] = OrderedDict()

    def of(self, task: str) -> Mapping[str, Proposal]:
        return self._of_tasks.get(task, {})

    def add(self, task: str, proposals: Mapping[str, Proposal], *, clicked: bool) -> None:
        """Remember some; a new prediction for the whole task replaces the previous one."""
        known = self._of_tasks.pop(task, {})
        kept = {name: proposal for name, proposal in known.items() if clicked or proposal.clicked}
        kept |= proposals
        self._of_tasks[task] = _lightened(dict(list(kept.items())[-REGIONS_OF_A_TASK:]))
        self._shapes[task] = None
        self._shapes.move_to_end(task)
        while len(self._shapes) > TASKS_WITH_SHAPES:
            oldest, _ = self._shapes.popitem(last=False)
            self._of_tasks[oldest] = _without_shapes(self._of_tasks.get(oldest, {}))
        while len(self._of_tasks) > TASKS:
            forgotten, _ = self._of_tasks.popitem(last=False)
            self._shapes.pop(forgotten, None)


def proposals_of(
    regions: object, *, recipe: str, clicked: bool, shapes: bool = True
) -> dict[str, Proposal]:
    """The labeled regions of a prediction by their ids."""
    return {
        shown.identifier: Proposal(
            label=shown.label,
            clicked=clicked,
            recipe=recipe,
            image=shown.image,
            shape=shown.shape,
        )
        for shown in shown_regions(regions, shapes=shapes)
    }


def shown_regions(result: object, *, shapes: bool = True) -> Iterator[ShownRegion]:
    """The regions that have a label; what is no region is passed over."""
    decoded = 0
    for region in with_own_labels(_regions(result)):
        label = label_of(region)
        if not label:
            continue
        readable = shapes and decoded < SHAPES and region["type"] in READABLE_TYPES
        decoded += readable
        yield ShownRegion(
            identifier=str(region.get("id")),
            label=label,
            image=f"{region.get('to_name')} {region.get('item_index') or 0}",
            origin=str(region.get("origin")),
            shape=_shape(region) if readable else None,
        )


def label_of(region: Mapping[str, Any]) -> str:
    """The first label of a region, its first choice, or its first path; empty without any."""
    value = region.get("value")
    labels = value.get(str(region.get("type"))) if isinstance(value, dict) else None
    if not isinstance(labels, list) or not labels:
        return ""
    first = labels[0]
    text = PATH_SEPARATOR.join(map(str, first)) if isinstance(first, list) else str(first)
    return text[:LONGEST_LABEL]


def _regions(result: object) -> Sequence[Mapping[str, Any]]:
    """The items of a result that have the form of regions."""
    return [
        region
        for region in (result if isinstance(result, list) else ())
        if isinstance(region, dict)
        and isinstance(region.get("value"), dict)
        and isinstance(region.get("type"), str)
        and isinstance(region.get("id"), str | int | None)
    ]


def _shape(region: Mapping[str, Any]) -> Annotation | None:
    # Somebody else's region may hold anything, and what can't be read is judged without its shape.
    with suppress(InvalidMask, TypeError, ValueError, KeyError, OverflowError):
        if region["original_width"] * region["original_height"] <= SHAPE_PIXELS:
            (shape,) = annotations_from_regions([region])
            return shape
    return None


def _lightened(proposals: dict[str, Proposal]) -> dict[str, Proposal]:
    """The proposals; without their shapes where these take too much memory."""
    masks = (one.shape.mask for one in proposals.values() if one.shape is not None)
    size = sum(len(mask.counts) for mask in masks if mask is not None)
    return proposals if size <= SHAPE_BYTES else _without_shapes(proposals)


def _without_shapes(proposals: Mapping[str, Proposal]) -> dict[str, Proposal]:
    return {name: replace(proposal, shape=None) for name, proposal in proposals.items()}
