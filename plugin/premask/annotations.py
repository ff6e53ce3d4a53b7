"""What every stage, writer and host works with: an object, and an image with its objects."""

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
    models that made the annotation, in order. Where there is a matte there is a mask, too: the
    pixels of which it covers at least half. `track` is the same number for the same object in
    several images. A `crowd` is one mask for many objects, which COCO's annotators draw where they
    can't tell them apart; no model makes one.
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

    Without annotations and without an error, the image was looked at and nothing was found. An
    image that failed has its error here, so that it doesn't stop a run. `seconds` is the image's
    share of the time that the stages took.
    """

    image: Image
    annotations: tuple[Annotation, ...] = ()
    error: PremaskError | None = None
    seconds: float = field(default=0.0, compare=False)
