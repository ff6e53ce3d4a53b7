"""The matte stage: of whole images, and of objects, each within its own reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from premask.annotations import Annotation
from premask.geometry import IntBox, grow_box, pixel_box
from premask.images import Image
from premask.masks import Alpha, Mask, Matte
from premask.models.parts.salient_subject import FAINTEST
from premask.models.pool import ModelPool
from premask.recipes.stage_settings import MatteStage
from premask.shaping.morphology import grow
from premask.shaping.refine import Refine, refine
from premask.shaping.sharing import Claim, settled, territories

Annotations = tuple[Annotation, ...]

CONTEXT = 0.25
"""How much of its surroundings a matting model sees, as a share of the object's size."""


def matte_subjects(
    images: Sequence[Image], matte: MatteStage, pool: ModelPool
) -> list[Annotations]:
    """What stands out of each image; an alpha that is next to 0 all over says that nothing does."""
    alphas = pool.matter(matte.model).matte(images, [None] * len(images), matte.options)
    subject = Annotation(label=matte.label, box_xyxy=(0, 0, 0, 0))
    return [
        (_matted(subject, Matte.from_array(alpha), matte),)
        if alpha.max(initial=0) >= FAINTEST
        else ()
        for alpha in alphas
    ]


def refine_subjects(subjects: Annotations, matte: MatteStage, settings: Refine) -> Annotations:
    """Refine whole subjects; the alpha follows the mask."""
    return tuple(
        _following(refined, subject, matte)
        for subject in subjects
        for refined in refine((subject,), settings)
    )


def matte_objects(
    images: Sequence[Image], found: Sequence[Annotations], matte: MatteStage, pool: ModelPool
) -> list[Annotations]:
    """Matte each object that has a mask on its own crop; all images go to the model at once.

    An alpha is exact beyond the reach of the mask's edge, and those of objects that meet add up to
    255 at most.
    """
    scenes = [_objects(annotations, matte) for annotations in found]
    crops = [
        image.cropped(thing.box_xyxy)
        for image, things in zip(images, scenes, strict=True)
        for thing in things
    ]
    inside = [Mask.from_array(thing.mask.crop(thing.box_xyxy)) for thing in chain(*scenes)]
    alphas = iter(pool.matter(matte.model).matte(crops, inside, matte.options) if crops else ())
    return [
        _with_mattes(annotations, things, list(islice(alphas, len(things))), matte)
        for annotations, things in zip(found, scenes, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """One of the masks of an image, the box in which it is seen, and how wide its edge may be."""

    mask: Mask
    box_xyxy: IntBox
    radius: int


def _objects(annotations: Annotations, matte: MatteStage) -> list[_Object]:
    """What there is to matte in an image; equal masks are one object."""
    objects = []
    for mask in dict.fromkeys(annotation.mask for annotation in annotations):
        if mask is not None and mask.area:
            radius = _radius(mask, matte)
            seen = grow_box(mask.box_xyxy, max(CONTEXT * mask.area**0.5, radius))
            box = pixel_box(seen, mask.size_hw)
            objects.append(_Object(mask=mask, box_xyxy=box, radius=radius))
    return objects


def _with_mattes(
    annotations: Annotations, objects: Sequence[_Object], alphas: Sequence[Alpha], matte: MatteStage
) -> Annotations:
    """The annotations of an image with what the model says of each of its objects."""
    claims = [
        Claim(alpha=alpha, box_xyxy=thing.box_xyxy)
        for alpha, thing in zip(alphas, objects, strict=True)
    ]
    grounds = territories([thing.mask for thing in objects], [thing.radius for thing in objects])
    # A guided model knows whose pixel it is; others see only that something is there.
    shares = settled(claims, grounds, by_distance=not matte.is_guided)
    mattes: dict[Mask | None, Matte] = {
        thing.mask: Matte.from_crop(alpha, thing.box_xyxy[:2], thing.mask.size_hw)
        for thing, alpha in zip(objects, shares, strict=True)
    }
    return tuple(
        _matted(annotation, mattes[annotation.mask], matte)
        if annotation.mask in mattes
        else annotation
        for annotation in annotations
    )


def _radius(mask: Mask, matte: MatteStage) -> int:
    """How far from the mask's edge its alpha may be anything but 0 and 255."""
    return max(1, round(matte.reach * mask.area**0.5)) if matte.reach else 0


def _matted(annotation: Annotation, alpha: Matte, matte: MatteStage) -> Annotation:
    """The binary mask and the box follow from the alpha.

    Of what is less opaque all over than the threshold, such as glass, the upper half of its own
    alpha makes the mask: without a mask it would be dropped as empty.
    """
    mask = alpha.mask(matte.threshold)
    if not mask.area and (highest := int(alpha.to_array().max(initial=0))) >= FAINTEST:
        mask = alpha.mask((highest + 1) // 2)
    source = (*annotation.source, matte.model)
    return replace(annotation, matte=alpha, mask=mask, box_xyxy=mask.box_xyxy, source=source)


def _following(refined: Annotation, subject: Annotation, matte: MatteStage) -> Annotation:
    """Give a refined subject its matte: what was added is opaque, what was dropped is gone."""
    if refined.matte is not None or not (refined.mask and subject.mask and subject.matte):
        return refined
    before, after = subject.mask.to_array(), refined.mask.to_array()
    alpha, near = subject.matte.to_array(), grow(refined.mask, _radius(refined.mask, matte))
    inside = np.where(before, alpha, np.uint8(255))
    outside = np.where(near.to_array() & ~before, alpha, np.uint8(0))
    return replace(refined, matte=Matte.from_array(np.where(after, inside, outside)))
