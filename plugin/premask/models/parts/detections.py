"""Arrays of boxes, scores and labels, as a network gives them for one image -> hints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from premask.geometry import Box, box_area, clip_box
from premask.masks import Mask
from premask.prompts import Hint

Floats = NDArray[np.floating]


def corners_xyxy(boxes: Floats, size_hw: tuple[int, int]) -> Floats:
    """Corners (n, 4) in pixels, from centers and sizes (n, 4) as shares of the image's sides."""
    centers, sizes = boxes[:, :2], boxes[:, 2:]
    corners = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)
    height, width = size_hw
    return np.asarray(corners * np.array([width, height, width, height], boxes.dtype))


def hints_of(
    boxes_xyxy: Floats,
    scores: Floats | None,
    labels: Sequence[str],
    size_hw: tuple[int, int],
    masks: Sequence[Mask] | None = None,
) -> list[Hint]:
    """Boxes (n, 4) in pixels with their scores (n,), the best first, clipped to the image.

    What lies beside the image, or has an empty mask, is left out. Without scores, the order stays.
    """
    order = range(len(labels)) if scores is None else np.argsort(-scores, kind="stable").tolist()
    hints = [
        Hint(
            label=labels[index],
            box_xyxy=_on_image(boxes_xyxy[index], size_hw),
            mask=None if masks is None else masks[index],
            score=None if scores is None else float(scores[index]),
        )
        for index in order
    ]
    return [hint for hint in hints if _is_somewhere(hint)]


def _is_somewhere(hint: Hint) -> bool:
    seen = hint.mask is None or hint.mask.area > 0
    return seen and hint.box_xyxy is not None and box_area(hint.box_xyxy) > 0


def _on_image(box_xyxy: Floats, size_hw: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = box_xyxy.tolist()
    return clip_box((x0, y0, x1, y1), size_hw)
