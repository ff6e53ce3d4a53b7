"""Faces that look into the camera, found by OpenCV's cascade of Haar features."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from premask.errors import MissingDependency
from premask.geometry import Box, box_area, clip_box
from premask.images import Image
from premask.models.options import HaarOptions
from premask.prompts import Hint, Prompts

LABEL = "face"

# Of the four frontal cascades this one finds the most faces and the fewest others (docs/adr/0003).
CASCADE = "haarcascade_frontalface_alt2.xml"

# The cascade looks for faces of 20 x 20 pixels and more, so at this size it finds those that take
# a 64th of the longer side. A larger image would take longer, and add only smaller ones.
LONGEST_SIDE = 1280


class HaarFinder:
    """Finds frontal faces, without scores: the weight of a cascade's stage is no probability."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        self._cascade = _load_cascade(weights)
        self._lock = threading.Lock()  # OpenCV keeps the image that it looks at in the classifier

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: HaarOptions
    ) -> list[list[Hint]]:
        """The faces of each image, the largest first; prompts change nothing."""
        return [
            [Hint(label=LABEL, box_xyxy=box) for box in self._faces(image, options)]
            for image in images
        ]

    def _faces(self, image: Image, options: HaarOptions) -> list[Box]:
        gray, scale = _shrunk(cv2.cvtColor(image.rgb, cv2.COLOR_RGB2GRAY))
        side = max(1, round(options.min_side * min(gray.shape)))
        with self._lock:
            hits = self._cascade.detectMultiScale(
                gray,
                scaleFactor=options.scale_step,
                minNeighbors=options.neighbors,
                minSize=(side, side),
            )
        boxes = [_image_box(hit, scale, image.size_hw) for hit in hits]
        # OpenCV finds faces in several threads, so their order changes from run to run.
        return sorted(boxes, key=lambda box: (-box_area(box), box))


def _load_cascade(weights: Path | None) -> cv2.CascadeClassifier:
    path = weights or Path(cv2.data.haarcascades) / CASCADE
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise MissingDependency(
            f"OpenCV {cv2.__version__} has no '{path.name}': version 5 no longer ships the Haar "
            "cascades. Install version 4 with: pip install 'opencv-python-headless<5'"
        )
    return cv2.CascadeClassifier(str(path))


def _shrunk(gray: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The image at a bounded size, and how many of its own pixels are one of that (x, y)."""
    height, width = gray.shape
    share = min(1.0, LONGEST_SIDE / max(height, width))
    if share == 1.0:
        return gray, (1.0, 1.0)
    size_wh = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA)
    return small, (width / size_wh[0], height / size_wh[1])


def _image_box(hit: NDArray[np.int32], scale: tuple[float, float], size_hw: tuple[int, int]) -> Box:
    x, y, width, height = (int(value) for value in hit)
    box = (x * scale[0], y * scale[1], (x + width) * scale[0], (y + height) * scale[1])
    return clip_box(box, size_hw)
