"""Large images in tiles, so that small objects are found; what several tiles show is merged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import Box, IntBox, box_area, shared_areas
from premask.images import Image
from premask.masks import Size
from premask.prompts import Prompts
from premask.shaping.placing import placed

Annotations = tuple[Annotation, ...]
Boxes = NDArray[np.float64]
Look = Callable[[Sequence[Image], Sequence[Prompts]], list[Annotations]]

TILES_AT_ONCE = 4

SAME = 0.5
"""Two views show the same object if they agree on this share of what both of them see of it."""

PART = 0.3
"""A box that a tile cuts off belongs to another one that covers this share of it."""

TOUCHING = 2
"""An object that ends so few pixels from the side of a tile is taken to go on beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Squares of `side` pixels that share `overlap` of it; and the whole image, if wanted."""

    side: int
    overlap: float
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An object, and the part of the image in which it was looked for."""

    annotation: Annotation
    view: IntBox


def look_in_tiles(image: Image, prompts: Prompts, tiling: Tiling, look: Look) -> Annotations:
    """What `look` finds in the tiles of one image, in pixels of the image, each object once."""
    views = list(tiles(image.size_hw, tiling))
    sightings: list[Sighting] = []
    for start in range(0, len(views), TILES_AT_ONCE):
        some = views[start : start + TILES_AT_ONCE]
        found = look([image.cropped(view) for view in some], [prompts] * len(some))
        for view, seen in zip(some, found, strict=True):
            sightings += [
                Sighting(annotation=placed(annotation, view[:2], image.size_hw), view=view)
                for annotation in seen
            ]
    return merged(sightings, image.size_hw)


def tiles(size_hw: Size, tiling: Tiling) -> Iterator[IntBox]:
    """The views of an image; none is smaller than it must be, and all of it is seen.

    >>> list(tiles((100, 150), Tiling(side=100, overlap=0.2, whole=False)))
    [(0, 0, 100, 100), (50, 0, 150, 100)]
    """
    height, width = size_hw
    if tiling.whole or max(size_hw) <= tiling.side:
        yield 0, 0, width, height
    if max(size_hw) > tiling.side:
        for y in _starts(height, tiling):
            for x in _starts(width, tiling):
                yield x, y, min(x + tiling.side, width), min(y + tiling.side, height)


def merged(sightings: Sequence[Sighting], size_hw: Size) -> Annotations:
    """One annotation an object, however many views saw it or a part of it."""
    groups = _Groups(len(sightings))
    boxes = np.array([sighting.annotation.box_xyxy for sighting in sightings], np.float64)
    boxes = boxes.reshape(-1, 4)
    for index, one in enumerate(sightings):
        near = np.flatnonzero(shared_areas(boxes[index], boxes[:index]) > 0)
        for other in near:
            if _same_object(one, sightings[other]):
                groups.join(index, int(other))
    _join_parts(sightings, boxes, groups, size_hw)
    return tuple(_united([sightings[index] for index in group], size_hw) for group in groups)


def _join_parts(
    sightings: Sequence[Sighting], boxes: Boxes, groups: _Groups, size_hw: Size
) -> None:
    """Join boxes that a side of their view cuts off with what goes on beyond that side.

    The box of a part may be far from the part of the box: of a round object that reaches 10 pixels
    into a tile, the tile shows a small piece, and the whole box covers all of that strip. So what
    counts is how much of the smaller one is covered, the most first. Groups of which one view has
    seen a member each are two objects: it told them apart.
    """
    pairs = []
    for index, one in enumerate(sightings):
        for other in np.flatnonzero(shared_areas(boxes[index], boxes[:index]) > 0).tolist():
            covered = _covered_part(one, sightings[other], size_hw)
            if covered > PART:
                pairs.append((covered, index, other))
    views: defaultdict[int, set[IntBox]] = defaultdict(set)
    for index, sighting in enumerate(sightings):
        views[groups.leader(index)].add(sighting.view)
    for _, index, other in sorted(pairs, reverse=True):
        joined, kept = groups.leader(index), groups.leader(other)
        if views[joined].isdisjoint(views[kept]):
            groups.join(joined, kept)
            views[kept] |= views[joined]


def _covered_part(one: Sighting, other: Sighting, size_hw: Size) -> float:
    """How much of the smaller box is covered, where both views look; 0 if none is a part."""
    first, second = one.annotation, other.annotation
    if first.label != second.label or (first.mask is not None and second.mask is not None):
        return 0.0
    if not (_goes_on(one, second.box_xyxy, size_hw) or _goes_on(other, first.box_xyxy, size_hw)):
        return 0.0
    seen = _common(one.view, other.view)
    a, b = _common(first.box_xyxy, seen), _common(second.box_xyxy, seen)
    return box_area(_common(a, b)) / max(min(box_area(a), box_area(b)), 1e-9)


def _starts(length: int, tiling: Tiling) -> list[int]:
    """Where tiles begin: evenly, with at least the overlap that is asked for."""
    free = length - tiling.side
    if free <= 0:
        return [0]
    steps = ceil(free / max(1, tiling.side * (1 - tiling.overlap)))
    return [round(free * step / steps) for step in range(steps + 1)]


def _same_object(one: Sighting, other: Sighting) -> bool:
    """Whether both saw the same, where both could look."""
    if one.view == other.view or one.annotation.label != other.annotation.label:
        return False
    seen = _common(one.view, other.view)
    if one.annotation.mask is None or other.annotation.mask is None:
        first = _common(one.annotation.box_xyxy, seen)
        second = _common(other.annotation.box_xyxy, seen)
        shared = box_area(_common(first, second))
        return shared > SAME * (box_area(first) + box_area(second) - shared)
    x0, y0, x1, y1 = (int(side) for side in seen)
    if x0 >= x1 or y0 >= y1:
        return False
    a, b = one.annotation.mask.crop((x0, y0, x1, y1)), other.annotation.mask.crop((x0, y0, x1, y1))
    return bool((a & b).sum() > SAME * (a | b).sum())


def _common(one: Box, other: Box) -> Box:
    return (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )


def _united(sightings: Sequence[Sighting], size_hw: Size) -> Annotation:
    """The object as the smallest view shows it that holds all of it, or else its parts in one."""
    whole = [sighting for sighting in sightings if not _is_cut(sighting, size_hw)]
    if whole:
        closest = min(whole, key=lambda sighting: (box_area(sighting.view), -_score(sighting)))
        return closest.annotation
    best = max(sightings, key=_score).annotation
    parts = [sighting.annotation for sighting in sightings]
    masks = [part.mask for part in parts if part.mask is not None]
    if masks:
        mask = masks[0].union(*masks[1:])
        return replace(best, mask=mask, box_xyxy=mask.box_xyxy)
    x0, y0, x1, y1 = zip(*(part.box_xyxy for part in parts), strict=True)
    return replace(best, box_xyxy=(min(x0), min(y0), max(x1), max(y1)))


def _is_cut(sighting: Sighting, size_hw: Size) -> bool:
    """Whether the object reaches a side of its view that is not a side of the image."""
    return any(_cuts(sighting, size_hw))


def _goes_on(sighting: Sighting, box_xyxy: Box, size_hw: Size) -> bool:
    """Whether the box is on both sides of a side of the view that cuts the object off."""
    left, top, right, bottom = sighting.view
    x0, y0, x1, y1 = box_xyxy
    beyond = (x0 < left < x1, y0 < top < y1, x0 < right < x1, y0 < bottom < y1)
    return any(cut and on for cut, on in zip(_cuts(sighting, size_hw), beyond, strict=True))


def _cuts(sighting: Sighting, size_hw: Size) -> list[bool]:
    """Which sides of its view (left, top, right, bottom) cut the object off."""
    height, width = size_hw
    box, view = sighting.annotation.box_xyxy, sighting.view
    image = (0, 0, width, height)
    return [
        abs(side - end) <= TOUCHING and end != border
        for side, end, border in zip(box, view, image, strict=True)
    ]


def _score(sighting: Sighting) -> float:
    score = sighting.annotation.score
    return -1.0 if score is None else score


class _Groups:
    """Numbers from 0 on in groups that are joined two at a time (a union-find)."""

    def __init__(self, count: int) -> None:
        self._leaders = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        self._leaders[self.leader(one)] = self.leader(other)

    def leader(self, one: int) -> int:
        """The member that stands for its group; of two groups that are joined, the second one's."""
        while self._leaders[one] != one:
            one = self._leaders[one]
        return one

    def __iter__(self) -> Iterator[list[int]]:
        """The groups, in the order of their first members."""
        groups: dict[int, list[int]] = {}
        for index in range(len(self._leaders)):
            groups.setdefault(self.leader(index), []).append(index)
        return iter(groups.values())
