"""Pairs of masks, and what TrackEval 1.3.0 (a port of DAVIS's code) says of their contours."""

from __future__ import annotations

import numpy as np

from premask.masks import Mask, Size


def _disc(size_hw: Size, center_xy: tuple[float, float], radius: float) -> Mask:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    x, y = center_xy
    return Mask.from_array(np.hypot(columns - x, rows - y) <= radius)


def _random(seed: int, size_hw: Size) -> Mask:
    return Mask.from_array(np.random.default_rng(seed).random(size_hw) > 0.6)


SMALL, LARGE = (60, 80), (240, 427)
SHAPES = (
    (_disc(SMALL, (40, 30), 15), _disc(SMALL, (42, 30), 15)),
    (_disc(SMALL, (70, 50), 20), _disc(SMALL, (72, 53), 18)),
    (_disc(LARGE, (200, 120), 60), _disc(LARGE, (205, 122), 62)),
    (_disc(LARGE, (420, 20), 50), _disc(LARGE, (420, 30), 50)),
    (_random(1, SMALL), _random(2, SMALL)),
    (Mask.empty(SMALL), _disc(SMALL, (40, 30), 15)),
    (_disc(SMALL, (40, 30), 15), Mask.empty(SMALL)),
    (Mask.empty(SMALL), Mask.empty(SMALL)),
    (_disc(SMALL, (20, 20), 3), _disc(SMALL, (60, 40), 3)),
)
EXPECTED = (
    0.6129032258064516,
    0.0,
    0.6482824087051808,
    0.37455830388692574,
    0.9957781900965158,
    0.0,
    0.0,
    1.0,
    0.0,
)
CONTOUR_CASES = tuple(
    (mask, truth, expected) for (mask, truth), expected in zip(SHAPES, EXPECTED, strict=True)
)
