"""Objects that meet: where each one's softness ends, and how alphas add up to one at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.geometry import IntBox, box_slices, grow_box, moved_box, pixel_box
from premask.masks import Alpha, Mask
from premask.shaping.morphology import grow, shrink

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[np.bool_]

PART = 0.5
"""An object that lies in another one with more than this share is a part of it, as a hat is of a
person: both keep the pixels that both masks have. Any others are rivals, and share theirs."""

SEAM = 2.0
"""Over so many pixels one object gives way to another that it touches: a smooth step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """Where an object's alpha is 255 (`sure`), and beyond which it is 0 (`reach`).

    `own` is its mask without what its `rivals`, by their numbers, claim too; its edge is soft for
    `radius` pixels on both sides.
    """

    own: Mask
    sure: Mask
    reach: Mask
    radius: int
    rivals: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """What a matting model says of an object: alpha (h, w) of uint8 in a box of the image."""

    alpha: Alpha
    box_xyxy: IntBox


def territories(masks: Sequence[Mask], radii: Sequence[int]) -> list[Territory]:
    """Whose pixels are whose, if each edge is soft for so many pixels on both sides."""
    reaches = [grow(mask, radius) for mask, radius in zip(masks, radii, strict=True)]
    rivals = _rivals(masks, reaches)
    owns = [
        _without(mask, [masks[rival] for rival in against])
        for mask, against in zip(masks, rivals, strict=True)
    ]
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
    """The alpha (h, w) of each claim, within its territory and with what its rivals leave it.

    `by_distance` is for models that see one thing in two objects that touch: what is soft belongs
    to the nearer one. Otherwise the claims count as they are, until they exceed a whole.
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
    """The numbers of the objects that may want the same pixels, for each object."""
    rivals: list[list[int]] = [[] for _ in masks]
    for one, other in combinations(range(len(masks)), 2):
        if _meet(reaches[one], reaches[other]) and not is_part(masks[one], masks[other]):
            rivals[one].append(other)
            rivals[other].append(one)
    return rivals


def _meet(one: Mask, other: Mask) -> bool:
    return bool(one.shared([other])[0])


def _without(mask: Mask, others: Sequence[Mask]) -> Mask:
    """What is the mask's alone; all of it where that is nothing."""
    alone = mask.difference(*others)
    return alone if alone.area else mask


def _limited(claim: Claim, ground: Territory) -> Alpha:
    sure, reach = (mask.crop(claim.box_xyxy) for mask in (ground.sure, ground.reach))
    return np.where(sure, np.uint8(255), np.where(reach, claim.alpha, np.uint8(0)))


def _given_to_the_nearer(claims: Sequence[Claim], grounds: Sequence[Territory]) -> list[Claim]:
    """Each claim times its share by distance, where a rival reaches too."""
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
    """How much of each pixel (h, w) in the box belongs to the one: 0 to 1."""
    margin = max(one.radius, other.radius) + 1
    around = pixel_box(grow_box(box, margin), one.own.size_hw)
    ahead = _into_the_first(one.own.crop(around), other.own.crop(around))
    return np.clip(0.5 + ahead[_slices_in(around, box)] / SEAM, 0, 1)


def _into_the_first(one: Pixels, other: Pixels) -> Floats:
    """How far (h, w) each pixel lies on the one's side of the middle between both; < 0: beyond."""
    to_one, nearest_one = _nearest(one)
    to_other, nearest_other = _nearest(other)
    apart = np.linalg.norm(nearest_one - nearest_other, axis=0)
    return np.asarray((to_other**2 - to_one**2) / np.maximum(2 * apart, 1))


def _nearest(pixels: Pixels) -> tuple[Floats, NDArray[np.int32]]:
    """How far (h, w) each pixel is from the nearest that is True, and which (2, h, w) that is."""
    if not pixels.any():  # SciPy's distances are undefined where there is none
        pixels = np.zeros_like(pixels)
        pixels[0, 0] = True
    return ndimage.distance_transform_edt(~pixels, return_indices=True)


def _shared(claim: Claim, rivals: Sequence[Claim]) -> Alpha:
    """The claim, in proportion where it and its rivals' claims exceed a whole."""
    total = claim.alpha.astype(np.uint32)
    for rival in rivals:
        _add(total, claim.box_xyxy, rival)
    return np.asarray(claim.alpha * np.uint32(255) // np.maximum(total, 255), np.uint8)


def _add(total: NDArray[np.uint32], box: IntBox, claim: Claim) -> None:
    """Add a claim's alpha to a total (h, w) in this box, where both lie."""
    x0, y0 = max(box[0], claim.box_xyxy[0]), max(box[1], claim.box_xyxy[1])
    x1, y1 = min(box[2], claim.box_xyxy[2]), min(box[3], claim.box_xyxy[3])
    if x0 < x1 and y0 < y1:
        common = (x0, y0, x1, y1)
        total[_slices_in(box, common)] += claim.alpha[_slices_in(claim.box_xyxy, common)]


def _slices_in(outer: IntBox, inner: IntBox) -> tuple[slice, slice]:
    """Index of a box of the image in an array that shows another box around it."""
    return box_slices(moved_box(inner, -outer[0], -outer[1]))
