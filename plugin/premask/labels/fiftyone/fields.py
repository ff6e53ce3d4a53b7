"""What FiftyOne's labels of several types have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.geometry import snapped
from premask.masks import Size

Fields = dict[str, Any]
Pixel = TypeVar("Pixel", bound=np.generic)


def described_fields(annotation: Annotation) -> Fields:
    """The fields of labels of all types: all but the shape, and nothing that no model said."""
    fields: Fields = {"label": annotation.label}
    if annotation.score is not None:
        fields["confidence"] = float(annotation.score)
    if annotation.track is not None:
        fields["index"] = int(annotation.track)
    if annotation.source:
        fields["source"] = list(annotation.source)
    if annotation.crowd:
        fields["iscrowd"] = 1  # where FiftyOne's own COCO importer and exporter keep it
    return fields


def pixel_points(points: Sequence[Sequence[float]], size_hw: Size) -> list[tuple[float, float]]:
    """FiftyOne's points, in shares of the image's width and height, in pixels (x, y)."""
    height, width = size_hw
    return [(snapped(x * width), snapped(y * height)) for x, y in points]


def stretched(pixels: NDArray[Pixel], shape: Size) -> NDArray[Pixel]:
    """Pixels (h, w) in another shape by nearest neighbors, so that every edge stays one."""
    rows = (np.arange(shape[0]) * 2 + 1) * pixels.shape[0] // (2 * shape[0])
    columns = (np.arange(shape[1]) * 2 + 1) * pixels.shape[1] // (2 * shape[1])
    picked: NDArray[Pixel] = pixels[np.ix_(rows, columns)]
    return picked
