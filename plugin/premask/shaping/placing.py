"""Annotations of a part of an image, in the pixels of the whole."""

from __future__ import annotations

from dataclasses import replace

from premask.annotations import Annotation
from premask.masks import Mask, Matte, Size


def placed(annotation: Annotation, xy: tuple[int, int], size_hw: Size) -> Annotation:
    """Move what was found in a part of an image whose first pixel is at `xy` of the whole."""
    left, top = xy
    x0, y0, x1, y1 = annotation.box_xyxy
    mask, matte = annotation.mask, annotation.matte
    if mask is not None:
        x, y = mask.box_xyxy[:2]
        mask = Mask.from_crop(mask.crop(), (x + left, y + top), size_hw)
    if matte is not None:
        x, y = matte.box_xyxy[:2]
        matte = Matte.from_crop(matte.crop(), (x + left, y + top), size_hw)
    box = (x0 + left, y0 + top, x1 + left, y1 + top)
    return replace(annotation, box_xyxy=box, mask=mask, matte=matte)
