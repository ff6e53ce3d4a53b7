"""The matte stage: of whole images, and of objects within their own reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import IntBox, box_slices, grow_box, pixel_box
from premask.images import Image
from premask.masks import Mask
from premask.masks import Matte as AlphaMatte
from premask.models.pool import ModelPool
from premask.recipes import Matte
from premask.refine import Refine, grow, refine

Annotations = tuple[Annotation, ...]

CONTEXT = 0.25
"""How much of its surroundings a matting model sees, as a share of the object's size."""


def matte_subjects(images: Sequence[Image], matte: Matte, pool: ModelPool) -> list[Annotations]:
    """What stands out of each image; an alpha of all 0 says that nothing does."""
    alphas = pool.get(matte.model).matte(images, [None] * len(images), matte.options)
    subject = Annotation(label=matte.label, box_xyxy=(0, 0, 0, 0))
    return [
        (_matted(subject, AlphaMatte.from_array(alpha), matte),) if alpha.any() else ()
        for alpha in alphas
    ]


def refine_subjects(subjects: Annotations, matte: Matte, settings: Refine) -> Annotations:
    """Refine whole subjects; the alpha follows the mask."""
    return tuple(
        _following(refined, subject, matte)
        for subject in subjects
        for refined in refine((subject,), settings)
    )


def matte_objects(
    image: Image, annotations: Annotations, matte: Matte, pool: ModelPool
) -> Annotations:
    """Matte each object that has a mask on its own crop; nothing beyond its reach is its own."""
    masks = [each.mask for each in annotations if each.mask is not None and each.mask.area]
    mattes = _mattes_by_mask(image, list(dict.fromkeys(masks)), matte, pool)
    return tuple(
        _matted(each, mattes[each.mask], matte) if each.mask in mattes else each
        for each in annotations
    )


def _mattes_by_mask(
    image: Image, masks: Sequence[Mask], matte: Matte, pool: ModelPool
) -> dict[Mask | None, AlphaMatte]:
    if not masks:
        return {}
    boxes = [_surroundings(mask) for mask in masks]
    crops = [_cropped(image, box) for box in boxes]
    inside = [Mask.from_array(mask.crop(box)) for mask, box in zip(masks, boxes, strict=True)]
    alphas = pool.get(matte.model).matte(crops, inside, matte.options)
    mattes: dict[Mask | None, AlphaMatte] = {}
    for mask, own, alpha, box in zip(masks, inside, alphas, boxes, strict=True):
        alpha = np.where(_within_reach(own, matte), alpha, np.uint8(0))
        mattes[mask] = AlphaMatte.from_crop(alpha, box[:2], image.size_hw)
    return mattes


def _surroundings(mask: Mask) -> IntBox:
    return pixel_box(grow_box(mask.box_xyxy, CONTEXT * mask.area**0.5), mask.size_hw)


def _cropped(image: Image, box: IntBox) -> Image:
    rgb = image.rgb[box_slices(box)]
    return Image.from_rgb(rgb, name=image.name, digest=f"{image.digest}{box}")


def _within_reach(mask: Mask, matte: Matte) -> NDArray[np.bool_]:
    return grow(mask, round(matte.reach * mask.area**0.5)).to_array()


def _matted(annotation: Annotation, alpha: AlphaMatte, matte: Matte) -> Annotation:
    """The binary mask and the box follow from the alpha."""
    mask = alpha.mask(matte.threshold)
    source = (*annotation.source, matte.model)
    return replace(annotation, matte=alpha, mask=mask, box_xyxy=mask.box_xyxy, source=source)


def _following(refined: Annotation, subject: Annotation, matte: Matte) -> Annotation:
    """Give a refined subject its matte: what was added is opaque, what was dropped is gone."""
    if refined.matte is not None or not (refined.mask and subject.mask and subject.matte):
        return refined
    before, after = subject.mask.to_array(), refined.mask.to_array()
    alpha, near = subject.matte.to_array(), _within_reach(refined.mask, matte)
    inside = np.where(before, alpha, np.uint8(255))
    outside = np.where(near & ~before, alpha, np.uint8(0))
    return replace(refined, matte=AlphaMatte.from_array(np.where(after, inside, outside)))
