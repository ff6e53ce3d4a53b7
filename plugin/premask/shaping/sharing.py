"""Objects that meet: how far the soft edge of each reaches, and who gets which share of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.geometry import IntBox, box_slices, grow_box, moved_box, pixel_box
from premask.masks import Alpha, Mask
from premask.shaping.morphology import grow, shrink

Floats = NDArray[np.floating]
Pixels = NDArray[np.bool_]

PART = 0.5
"""An object is a part of another one if more than this share of it lies in that one, as a hat in a
person's mask: then both keep the pixels that both masks have. Any other two objects that come near
each other are rivals, and share these pixels."""

SEAM = 2.0
"""The width, in pixels, of the smooth step from one object to another one that it touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """Where an object's alpha is 255 (in `sure`), and where it may be more than 0 (in `reach`).

    `own` is the object's mask without the pixels that its `rivals` have in their masks, too; rivals
    are known by their places in the list of objects. Its edge may be soft for `radius` pixels to
    both sides.
    """

    own: Mask
    sure: Mask
    reach: Mask
    radius: int
    rivals: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """The alpha (h, w) of uint8 that a matting model gives an object, in a box of the image."""

    alpha: Alpha
    box_xyxy: IntBox


def territories(masks: Sequence[Mask], radii: Sequence[int]) -> list[Territory]:
    """The territory of each object, whose edge may be soft for that many pixels to both sides."""
    reaches = [grow(mask, radius) for mask, radius in zip(masks, radii, strict=True)]
    rivals = _rivals(masks, reaches)
    alone = [
        mask.difference(*(masks[rival] for rival in against))
        for mask, against in zip(masks, rivals, strict=True)
    ]
    # An object of which its rivals claim every pixel would be left with nothing; it keeps its mask.
    owns = [own if own.area else mask for own, mask in zip(alone, masks, strict=True)]
    sures = [shrink(own, radius) for own, radius in zip(owns, radii, strict=True)]
    return [
        Territory(
            own=own,
            sure=sure,
            reach=reach.difference(*(sures[rival] for rival in against)),
            radius=radius,
            rivals=tuple(against),
        )
        for own, sure, reach, radius, against in zip(
            owns, sures, reaches, radii, rivals, strict=True
        )
    ]


def is_part(one: Mask, other: Mask) -> bool:
    """Whether the smaller of the two lies mostly in the larger one."""
    return int(one.shared([other])[0]) > PART * min(one.area, other.area)


def settled(
    claims: Sequence[Claim], grounds: Sequence[Territory], *, by_distance: bool
) -> list[Alpha]:
    """The alpha (h, w) of each claim, limited to its territory and shared with its rivals.

    `by_distance` is for models that see two objects that touch as one thing: there a soft pixel
    belongs to the object that is nearer. Other claims are left as they are, but for pixels where
    the claims of rivals add up to more than 255: there all of them are scaled down.
    """
    limited = [
        Claim(alpha=_limited(claim, ground), box_xyxy=claim.box_xyxy)
        for claim, ground in zip(claims, grounds, strict=True)
    ]
    if by_distance:
        limited = _given_to_the_nearer(limited, grounds)
    return [
        _shared(claim, [limited[rival] for rival in ground.rivals])
        for claim, ground in zip(limited, grounds, strict=True)
    ]


def _rivals(masks: Sequence[Mask], reaches: Sequence[Mask]) -> list[list[int]]:
    """For each object the places, in the list, of those that may claim the same pixels."""
    rivals: list[list[int]] = [[] for _ in masks]
    for one, other in combinations(range(len(masks)), 2):
        meet = reaches[one].shared([reaches[other]])[0] > 0
        if meet and not is_part(masks[one], masks[other]):
            rivals[one].append(other)
            rivals[other].append(one)
    return rivals


def _limited(claim: Claim, ground: Territory) -> Alpha:
    sure, reach = (mask.crop(claim.box_xyxy) for mask in (ground.sure, ground.reach))
    return np.where(sure, np.uint8(255), np.where(reach, claim.alpha, np.uint8(0)))


def _given_to_the_nearer(claims: Sequence[Claim], grounds: Sequence[Territory]) -> list[Claim]:
    """The claims, multiplied with their shares by distance in pixels that a rival reaches, too."""
    shares: list[Floats] = [np.ones(claim.alpha.shape, np.float32) for claim in claims]
    pairs = [(one, other) for one, ground in enumerate(grounds) for other in ground.rivals]
    for one, other in (pair for pair in pairs if pair[0] < pair[1]):
        contested = grounds[one].reach.intersection(grounds[other].reach)
        box = contested.box_xyxy
        share = _share_by_distance(grounds[one], grounds[other], box)
        for number, of_it in ((one, share), (other, 1 - share)):
            part = shares[number][_slices_in(claims[number].box_xyxy, box)]
            np.minimum(part, of_it, out=part, where=contested.crop())
    return [
        Claim(alpha=np.rint(claim.alpha * share).astype(np.uint8), box_xyxy=claim.box_xyxy)
        for claim, share in zip(claims, shares, strict=True)
    ]


def _share_by_distance(one: Territory, other: Territory, box: IntBox) -> Floats:
    """How much of each pixel (h, w) in the box belongs to the first object: 0 to 1."""
    margin = max(one.radius, other.radius) + 1
    around = pixel_box(grow_box(box, margin), one.own.size_hw)
    ahead = _into_the_first(one.own.crop(around), other.own.crop(around))
    return np.clip(0.5 + ahead[_slices_in(around, box)] / SEAM, 0, 1)


def _into_the_first(one: Pixels, other: Pixels) -> Floats:
    """How far (h, w) each pixel lies on the first object's side of the middle between both.

    On the second one's side it is negative.
    """
    to_one, nearest_one = _nearest(one)
    to_other, nearest_other = _nearest(other)
    apart = np.linalg.norm(nearest_one - nearest_other, axis=0)
    return np.asarray((to_other**2 - to_one**2) / np.maximum(2 * apart, 1))


def _nearest(pixels: Pixels) -> tuple[Floats, NDArray[np.int32]]:
    """Each pixel's distance (h, w) to the nearest one that is True, and where (2, h, w) that is."""
    if not pixels.any():  # SciPy's distances are undefined where there is none
        pixels = np.zeros_like(pixels)
        pixels[0, 0] = True
    return ndimage.distance_transform_edt(~pixels, return_indices=True)


def _shared(claim: Claim, rivals: Sequence[Claim]) -> Alpha:
    """The claim's alpha, scaled down where it and those of its rivals add up to more than 255."""
    total = claim.alpha.astype(np.uint32)
    for rival in rivals:
        (x0, y0, x1, y1), (left, top, right, bottom) = claim.box_xyxy, rival.box_xyxy
        common = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        if common[0] < common[2] and common[1] < common[3]:
            part = rival.alpha[_slices_in(rival.box_xyxy, common)]
            total[_slices_in(claim.box_xyxy, common)] += part
    return np.asarray(claim.alpha * np.uint32(255) // np.maximum(total, 255), np.uint8)


def _slices_in(outer: IntBox, inner: IntBox) -> tuple[slice, slice]:
    """Index of one box of the image in an array of the pixels of another box around it."""
    return box_slices(moved_box(inner, -outer[0], -outer[1]))
