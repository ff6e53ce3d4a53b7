"""For networks that find the one subject of an image: which part they see, what they found."""

from __future__ import annotations

from premask.geometry import IntBox, grow_box, pixel_box
from premask.masks import HALF, Alpha, Mask
from premask.prompts import Hint

LABEL = "subject"

# How much around a mask the network sees, as a share of the longer side of its box.
MARGIN = 0.15


FAINTEST = 13
"""Networks give some alpha to every image. What is less opaque than a twentieth is no subject."""


def subject_hints(alpha: Alpha) -> list[Hint]:
    """The subject of an image with its mask, if there is one.

    Of what is less than half opaque all over, such as glass, the upper half of its own alpha makes
    the mask.
    """
    highest = int(alpha.max(initial=0))
    if highest < FAINTEST:
        return []
    mask = Mask.from_array(alpha >= (HALF if highest >= HALF else (highest + 1) // 2))
    x0, y0, x1, y1 = mask.box_xyxy
    return [Hint(label=LABEL, box_xyxy=(x0, y0, x1, y1), mask=mask)]


def around(mask: Mask) -> IntBox:
    """The part of the image that shows the object in its surroundings."""
    x0, y0, x1, y1 = mask.box_xyxy
    return pixel_box(grow_box(mask.box_xyxy, MARGIN * max(x1 - x0, y1 - y0)), mask.size_hw)
