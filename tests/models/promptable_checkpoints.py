"""The families that are asked by points, boxes and rough masks, and what the tests ask them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray

from premask.images import Image, read_image
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.options import NoOptions
from premask.models.parts.promptable import PromptableSegmenter
from premask.models.registry import build
from premask.prompts import Hint, Point
from tests.tiny_models import edgetam, sam, sam2, sam3_tracker, sam_hq

TINY: dict[str, ModuleType] = {
    "sam": sam,
    "sam-hq": sam_hq,
    "sam2": sam2,
    "edgetam": edgetam,
    "sam3-tracker": sam3_tracker,
}
CLICK = (180.5, 120.25)
BESIDE = (40.0, 200.0)
BOX = (60.0, 50.5, 260.0, 210.0)
TIES = 3


def load(family: str, folder: Path) -> PromptableSegmenter:
    segmenter: PromptableSegmenter = build(family, folder, "cpu")
    return segmenter


def photos() -> list[Image]:
    """Two photos of different sizes and shapes, and one of them turned.

    In SAM's square the cat is 93.9 pixels high.
    """
    cat = np.ascontiguousarray(skimage.data.chelsea()[:, :409])
    views = [cat, skimage.data.rocket(), np.ascontiguousarray(np.rot90(cat))]
    return [read_image(view, str(index)) for index, view in enumerate(views)]


def click(x: float, y: float, positive: bool = True) -> Point:
    return Point(x=x, y=y, positive=positive)


def clicked(*points: Point) -> Hint:
    return Hint(label="", points=points)


def boxed(box_xyxy: tuple[float, float, float, float] = BOX, *points: Point) -> Hint:
    return Hint(label="", box_xyxy=box_xyxy, points=points)


def rough(size_hw: tuple[int, int]) -> Mask:
    rows, columns = np.ogrid[: size_hw[0], : size_hw[1]]
    return Mask.from_array(np.hypot(rows - 130, columns - 160) < 70)


def every_kind(size_hw: tuple[int, int]) -> list[Hint]:
    """One hint of each kind; those of a kind are never next to each other."""
    mask = rough(size_hw)
    return [
        clicked(click(*CLICK)),
        boxed(),
        clicked(click(*CLICK), click(*BESIDE, positive=False)),
        boxed(BOX, click(*CLICK), click(*BESIDE, positive=False)),
        Hint(label="", mask=mask),
        clicked(click(*BESIDE)),
        Hint(label="", mask=mask, points=(click(*CLICK),)),
        boxed((10, 20, 200, 140)),
        Hint(label="", mask=mask, box_xyxy=BOX),
        clicked(click(200, 90), click(150, 150), click(*BESIDE, positive=False)),
    ]


def outline(
    segmenter: PromptableSegmenter, image: Image, hints: list[Hint], options: Any = None
) -> list[Outline]:
    (outlines,) = segmenter.segment(segmenter.embed([image]), [hints], options or NoOptions())
    return outlines


def assert_same(outlines: Sequence[Outline], expected: Sequence[Outline]) -> None:
    """Equal but for the order in which floats are added up.

    In masks as ragged as these, that lets a pixel whose logit is 0 fall on the other side; a shift
    by one pixel would change thousands.
    """
    assert len(outlines) == len(expected)
    for one, other in zip(outlines, expected, strict=True):
        assert pixels_apart(one.mask, other.mask) <= TIES
    np.testing.assert_allclose(_scores(outlines), _scores(expected), rtol=0, atol=1e-5)


def pixels_apart(one: Mask, other: Mask) -> int:
    return one.difference(other).area + other.difference(one).area


def _scores(outlines: Sequence[Outline]) -> NDArray[np.float64]:
    return np.array([outlined.score for outlined in outlines], np.float64)
