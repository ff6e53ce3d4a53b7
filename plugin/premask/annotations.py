"""Annotation: one object. Labeled: one image with its objects. Everything speaks these two."""

from __future__ import annotations

from dataclasses import dataclass, field

from premask.errors import PremaskError
from premask.geometry import Box
from premask.images import Image
from premask.masks import Mask, Matte


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One object in pixels of the upright, full image.

    `score` is the model's own, 0 to 1, or None where the model gives none. `source` names the
    models that made the annotation, in order. A matte comes with the mask that follows from it. A
    `crowd` is many objects in one mask, as COCO's people mark them; no model makes one.
    """

    label: str
    box_xyxy: Box
    score: float | None = None
    mask: Mask | None = None
    matte: Matte | None = None
    track: int | None = None
    source: tuple[str, ...] = ()
    crowd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeled:
    """What was found in one image.

    No annotations and no error means: looked at, nothing there. `seconds` is the image's share of
    the time that the stages took.
    """

    image: Image
    annotations: tuple[Annotation, ...] = ()
    error: PremaskError | None = None
    seconds: float = field(default=0.0, compare=False)
