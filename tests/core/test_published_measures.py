"""Panoptic quality and errors of mattes are those of the code that others publish papers with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from premask.evaluation.mattes import connectivity_error, gradient_error
from premask.evaluation.objects import TableRow
from premask.evaluation.panoptic import PanopticQuality
from premask.masks import Mask, Matte

SIZE = (60, 80)
EXPECTED_PQ = {"PQ": 0.3984351239195926, "SQ": 0.7207833787095419, "RQ": 0.5525557885443108}
EXPECTED_ERRORS = {5: (0.04165895, 0.06813333333333332), 6: (0.05769584, 0.13470588235294115)}

Map = NDArray[np.int64]
Classes = dict[int, int]


def rectangles(random: np.random.Generator, count: int) -> Map:
    numbers = np.zeros(SIZE, np.int64)
    for number in range(1, count + 1):
        y, x = random.integers(0, 48), random.integers(0, 68)
        high, wide = random.integers(6, 30, 2)
        numbers[y : y + high, x : x + wide] = number
    return numbers


def panoptic_maps() -> list[tuple[Classes, Map, Classes, Map]]:
    """True and found maps of segments' numbers, and each one's class; a true 4 is a crowd."""
    random = np.random.default_rng(7)
    maps: list[tuple[Classes, Map, Classes, Map]] = []
    for _ in range(40):
        true = rectangles(random, 9)
        extra = rectangles(random, 2)
        found = np.roll(true, random.integers(0, 4, 2).tolist(), (0, 1))
        found = np.where(extra > 0, extra + 20, found)
        classes = {int(n): int(n % 3) + 1 for n in np.unique(true) if n}
        said = {
            int(n): int(n % 3) + 1 if random.random() < 0.85 else int(random.integers(1, 4))
            for n in np.unique(found)
            if n
        }
        maps.append((classes, true, said, found))
    return maps


def rows(classes: Classes, numbers: Map, crowd: int = 0) -> list[TableRow]:
    return [
        TableRow(str(label), None, (0, 0, 0, 0), 0, n == crowd, Mask.from_array(numbers == n))
        for n, label in classes.items()
    ]


def test_panoptic_quality_is_panopticapis() -> None:
    """The numbers are what its `pq_compute_single_core` gives for the same maps as PNG."""
    quality = PanopticQuality()
    for classes, true, said, found in panoptic_maps():
        quality.add(rows(said, found), rows(classes, true, crowd=4))
    assert quality.summary() == pytest.approx(EXPECTED_PQ, rel=1e-12)


def mattes(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A soft shape, and the same with a blur, noise, and all alphas from 0 to 255."""
    random = np.random.default_rng(seed)
    true = ndimage.gaussian_filter(random.random(SIZE), 6)
    true = np.clip(3 * ((true - true.min()) / np.ptp(true) - 0.4), 0, 1)
    found = ndimage.gaussian_filter(true, 2) + random.normal(0, 0.05, SIZE)
    found = np.clip(found, 0, 1)
    found[0, :2] = 0, 1
    true[0, :2] = 0, 1
    return np.round(255 * found).astype(np.uint8), np.round(255 * true).astype(np.uint8)


@pytest.mark.parametrize("seed", [5, 6])
def test_grad_and_conn_are_those_of_matting_papers(seed: int) -> None:
    """The numbers are those of RobustVideoMatting's evaluation, which follows Rhemann's MATLAB."""
    found, true = (Matte.from_array(alpha) for alpha in mattes(seed))
    grad, conn = EXPECTED_ERRORS[seed]
    assert gradient_error(found, true) == pytest.approx(grad, rel=1e-6)  # theirs has 32 bits
    assert connectivity_error(found, true) == pytest.approx(conn, rel=1e-12)
