"""What every stage, writer and host works with: an object, an image or a clip with its objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from premask.errors import PremaskError
from premask.geometry import Box
from premask.images import Image
from premask.masks import Mask, Matte, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One object in pixels of the upright, full image.

    `score` is the model's own, 0 to 1, or None where the model gives none. `source` names the
    models that made the annotation, in order. Where there is a matte there is a mask, too: the
    pixels of which it covers at least half. `track` is the same number for the same object in
    several images; in a `keyframe` of a clip somebody pointed at it, and it did not just follow
    from other frames. A `crowd` is one mask for many objects, which COCO's annotators draw where
    they can't tell them apart; no model makes one. `extra` is what a COCO file says of the object
    beyond that, by its keys, and is written into the next one.
    """

    label: str
    box_xyxy: Box
    score: float | None = None
    mask: Mask | None = None
    matte: Matte | None = None
    track: int | None = None
    source: tuple[str, ...] = ()
    crowd: bool = False
    keyframe: bool = False
    extra: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeled:
    """What was found in one image.

    Without annotations and without an error, the image was looked at and nothing was found. An
    image that failed has its error here, so that it doesn't stop a run. `seconds` is the image's
    share of the time that the stages took. `extra` is what a COCO file says of the image beyond its
    name and size.
    """

    image: Image
    annotations: tuple[Annotation, ...] = ()
    error: PremaskError | None = None
    seconds: float = field(default=0.0, compare=False)
    frame: int | None = None
    time: float | None = None
    extra: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledClip:
    """What was found in a clip: its frames in order, each with its `frame` and `time`.

    `frames` can be gone through several times, and is not all in memory. There is none for frames
    that were not asked for. `fps` is how many frames the file says it shows in a second; 0 if it
    does not say, as a folder of frames. `phrases` are the words that were looked for.
    """

    name: str
    size_hw: Size
    frames: Iterable[Labeled]
    fps: float = 0.0
    phrases: tuple[str, ...] = ()
