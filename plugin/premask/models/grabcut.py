"""GrabCut (Rother, Kolmogorov, Blake 2004): an outline from clicks, a box or a rough mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, IntBox, box_area, box_slices, clip_box, grow_box, pixel_box
from premask.images import Image, Rgb
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.options import GrabcutOptions
from premask.models.trimap import CONNECTED, Pixels, core, nearer_by_colour
from premask.prompts import Hint, Point

Labels = NDArray[np.uint8]

# The cut takes about half a second for so many pixels; a larger object is cut at a smaller size.
MOST_PIXELS = 300_000

# Clicks grow to a region at this size, and the graph cut works on what is in and around it.
CLICK_SIDE = 200

# Background to learn colours from, however small the object is.
LEAST_MARGIN = 8

# A click is as precise as a hand: so many pixels around it belong to it.
CLICK_RADIUS = 3


class GrabcutSegmenter:
    """Cuts the object out where its colours end; gives no score, as it has none."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        """An algorithm needs neither weights nor a device."""

    def embed(self, images: Sequence[Image]) -> list[Image]:
        """The images themselves: there is nothing to compute beforehand."""
        return list(images)

    def segment(
        self,
        embeddings: Sequence[Image],
        hints: Sequence[Sequence[Hint]],
        options: GrabcutOptions,
    ) -> list[list[Outline]]:
        """One outline for each hint of each image, in order."""
        return [
            [Outline(mask=_outlined(image, hint, options)) for hint in hints_of_image]
            for image, hints_of_image in zip(embeddings, hints, strict=True)
        ]
