"""Mattes of a clip: each frame's own, calmed by the one before where both are soft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import hull
from premask.images import Image
from premask.masks import HALF, Alpha, Matte
from premask.models.pool import ModelPool
from premask.recipes.matting import matte_objects
from premask.recipes.stage_settings import MatteStage


def matted(
    image: Image,
    annotations: Sequence[Annotation],
    before: Mapping[int, Matte],
    matte: MatteStage,
    pool: ModelPool,
) -> tuple[Annotation, ...]:
    """The objects of a frame with their mattes; `before` are those of the last frame, by track.

    What a person drew stays bit by bit: there the matte follows the mask.
    """
    (soft,) = matte_objects([image], [tuple(annotations)], matte, pool)
    return tuple(
        _fixed(plain, _calm(found, before, matte))
        if plain.keyframe
        else _calm(found, before, matte)
        for plain, found in zip(annotations, soft, strict=True)
    )


def _calm(found: Annotation, before: Mapping[int, Matte], matte: MatteStage) -> Annotation:
    """Where both frames are soft, the mean of both; what is 0 or 255 stays as it is."""
    earlier = None if found.track is None else before.get(found.track)
    if found.matte is None or earlier is None:
        return found
    box = hull([found.matte.box_xyxy, earlier.box_xyxy])
    now, then = found.matte.crop(box), earlier.crop(box)
    soft = _is_soft(now) & _is_soft(then)
    mean = ((now.astype(np.uint16) + then + 1) // 2).astype(np.uint8)
    alpha = Matte.from_crop(np.where(soft, mean, now), box[:2], found.matte.size_hw)
    mask = alpha.mask(matte.threshold)
    return replace(found, matte=alpha, mask=mask, box_xyxy=mask.box_xyxy)


def _is_soft(alpha: Alpha) -> NDArray[np.bool_]:
    return np.asarray((alpha > 0) & (alpha < 255))


def _fixed(plain: Annotation, found: Annotation) -> Annotation:
    """The mask of a person, and the matte on its side of one half everywhere."""
    if plain.mask is None or found.matte is None:
        return plain
    alpha, inside = found.matte.to_array(), plain.mask.to_array()
    bounded = np.where(inside, np.maximum(alpha, HALF), np.minimum(alpha, HALF - 1))
    matte = Matte.from_array(bounded.astype(np.uint8))
    return replace(found, matte=matte, mask=plain.mask, box_xyxy=plain.mask.box_xyxy)
