"""The refine stage: what happens to the masks that were found, in one fixed order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from premask.annotations import Annotation
from premask.geometry import MAX_PIXELS
from premask.masks import Mask
from premask.settings import setting
from premask.shaping.morphology import (
    clipped,
    closed,
    drop_small_parts,
    feathered,
    fill_holes,
    grow,
    largest_part,
    opened,
    smoothed,
    without_overlaps,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """What happens to each mask, in the order of these fields.

    An annotation without a mask passes unchanged. When a mask changes, its box changes with it, and
    a matte is dropped, because it no longer belongs to that mask.
    """

    fill_holes: int = setting(
        0,
        "fill holes of up to this many pixels; as many as the image has fills all",
        minimum=0,
        maximum=MAX_PIXELS,
    )
    min_part: int = setting(
        0, "drop separate parts of fewer pixels than this", minimum=0, maximum=MAX_PIXELS
    )
    largest_part: bool = setting(False, "keep only the largest part")
    opening: int = setting(
        0,
        "drop spurs and bridges in which a disc of this radius does not fit, in pixels",
        minimum=0,
        maximum=500,
    )
    closing: int = setting(
        0,
        "fill gaps and notches in which a disc of this radius does not fit, in pixels",
        minimum=0,
        maximum=500,
    )
    smooth: int = setting(
        0, "round off what is finer than this radius, in pixels", minimum=0, maximum=100
    )
    grow: int = setting(
        0, "move the edge outwards, in pixels; a negative number shrinks", minimum=-500, maximum=500
    )
    inside_box: bool = setting(False, "cut off what sticks out of the box that was found")
    invert: bool = setting(False, "take all other pixels instead")
    overlaps: str = setting(
        "keep",
        "who gets a pixel that several objects claim: all of them (keep), the one with the best "
        "score, with the smallest area, or the first in order",
        choices=("keep", "score", "area", "order"),
    )
    drop_empty: bool = setting(True, "drop an object whose mask has no pixel")
    feather: float = setting(
        0.0, "width of a soft edge (a matte), in pixels; the mask stays", minimum=0, maximum=500
    )


def refine(annotations: Sequence[Annotation], settings: Refine) -> tuple[Annotation, ...]:
    """Apply all settings; an annotation that none of them changes comes back as the same object."""
    refined = [_reshaped(annotation, settings) for annotation in annotations]
    if settings.overlaps != "keep":
        refined = _disjoint(refined, settings.overlaps)
    if settings.drop_empty:
        refined = [found for found in refined if found.mask is None or found.mask.area]
    if settings.feather:
        refined = [
            found
            if found.mask is None
            else replace(found, matte=feathered(found.mask, settings.feather))
            for found in refined
        ]
    return tuple(refined)


def _reshaped(annotation: Annotation, settings: Refine) -> Annotation:
    if annotation.mask is None:
        return annotation
    mask = fill_holes(annotation.mask, settings.fill_holes)
    mask = drop_small_parts(mask, settings.min_part)
    mask = largest_part(mask) if settings.largest_part else mask
    mask = opened(mask, settings.opening)
    mask = closed(mask, settings.closing)
    mask = smoothed(mask, settings.smooth)
    mask = grow(mask, settings.grow)
    mask = clipped(mask, annotation.box_xyxy) if settings.inside_box else mask
    mask = mask.inverted() if settings.invert else mask
    return _with_mask(annotation, mask)


def _with_mask(annotation: Annotation, mask: Mask) -> Annotation:
    if mask == annotation.mask:
        return annotation
    return replace(annotation, mask=mask, box_xyxy=mask.box_xyxy, matte=None)


def _disjoint(annotations: list[Annotation], first: str) -> list[Annotation]:
    """Give each pixel to one object; `first` says by what the objects are ranked."""
    disjoint = list(annotations)
    masks = {index: found.mask for index, found in enumerate(annotations) if found.mask is not None}
    rank: dict[str, Callable[[int], float]] = {
        "score": lambda index: -(annotations[index].score or 0),
        "area": lambda index: masks[index].area,
        "order": lambda index: index,
    }
    places = sorted(masks, key=rank[first])
    claimed = without_overlaps([masks[place] for place in places], range(len(places)))
    for place, mask in zip(places, claimed, strict=True):
        disjoint[place] = _with_mask(annotations[place], mask)
    return disjoint
