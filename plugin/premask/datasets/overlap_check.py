"""Objects of one class that lie on each other: the same thing, labeled twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from premask.datasets.problems import Health
from premask.evaluation.overlaps import mask_ious
from premask.masks import Mask

TOO_MUCH = 0.9
"""Two objects of one class with a higher IoU are hardly two."""


@dataclass(slots=True)
class OverlapCheck:
    """Takes the masks of all images, in any order."""

    _masks: dict[tuple[str, str], list[tuple[object, Mask]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, image: str, label: str, number: object, mask: Mask) -> None:
        self._masks[image, label].append((number, mask))

    def report(self, health: Health) -> None:
        for (image, label), objects in self._masks.items():
            masks = [mask for _, mask in objects]
            ious = np.triu(mask_ious(masks, masks), 1)
            for one, other in np.argwhere(ious > TOO_MUCH).tolist():
                where = f"annotations {objects[one][0]} and {objects[other][0]} of {image}"
                what = f"both are '{label}', and their IoU is {ious[one, other]:.2f}"
                health.add("overlap", where, what)
