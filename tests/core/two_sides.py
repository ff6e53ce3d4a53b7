"""Three images with cats and dogs: what is true of them, and what was found."""

from __future__ import annotations

import numpy as np

from premask import Annotation, Image, Labeled, Mask

SIZE = (40, 60)


def square(x: int, y: int, side: int = 10, size_hw: tuple[int, int] = SIZE) -> Mask:
    return Mask.from_crop(np.ones((side, side), np.bool_), (x, y), size_hw)


def thing(label: str, mask: Mask, score: float | None = None, *, crowd: bool = False) -> Annotation:
    return Annotation(label=label, box_xyxy=mask.box_xyxy, score=score, mask=mask, crowd=crowd)


def photo(name: str, *annotations: Annotation, size_hw: tuple[int, int] = SIZE) -> Labeled:
    return Labeled(image=Image(name=name, size_hw=size_hw), annotations=annotations)


TRUE = [
    photo("a.png", thing("cat", square(0, 0)), thing("dog", square(20, 0))),
    photo("b.png", thing("cat", square(0, 20))),
    photo("c.png"),
]
FOUND = [
    photo("a.png", thing("cat", square(1, 0), 0.9), thing("cat", square(20, 0), 0.8)),
    photo("b.png", thing("cat", square(0, 20), 0.7), thing("dog", square(40, 20), 0.2)),
    photo("c.png"),
]
