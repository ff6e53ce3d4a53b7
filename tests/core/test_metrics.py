"""Metrics agree with the papers' own code and with sums over the whole image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from premask.errors import InvalidMask
from premask.evaluation.metrics import (
    Agreement,
    boundary,
    boundary_iou,
    boundary_width,
    mse,
    sad,
)
from premask.masks import Mask, Matte
from tests.golden.dataset import adversarial_masks


def disc(y: float, x: float, radius: float, size_hw: tuple[int, int] = (90, 120)) -> Mask:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return Mask.from_array(np.hypot(rows - y, columns - x) <= radius)


def eroded_by_opencv(mask: Mask, width: int) -> NDArray[np.bool_]:
    """What the authors of Boundary IoU erode: on the whole image, with a border of background."""
    padded = np.pad(mask.to_array(), 1).astype(np.uint8)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)
    return np.asarray(inner[1:-1, 1:-1] != 0)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("name", adversarial_masks())
def test_the_boundary_is_the_one_of_the_papers_code(name: str, width: int) -> None:
    mask = Mask.from_array(adversarial_masks()[name])
    expected = mask.to_array() & ~eroded_by_opencv(mask, width)
    np.testing.assert_array_equal(boundary(mask, width).to_array(), expected)


def test_the_boundary_is_two_percent_of_the_images_diagonal() -> None:
    assert boundary_width((480, 640)) == 16
    assert boundary_width((3, 4)) == 1


def test_boundary_iou_sees_what_iou_forgives() -> None:
    truth, shifted = disc(45, 60, 40), disc(45, 63, 40)
    assert shifted.iou(truth) > 0.9
    width = boundary_width(truth.size_hw)
    edges = [mask.to_array() & ~eroded_by_opencv(mask, width) for mask in (shifted, truth)]
    expected = (edges[0] & edges[1]).sum() / (edges[0] | edges[1]).sum()
    assert boundary_iou(shifted, truth) == pytest.approx(expected)
    assert expected < 0.5


def test_boundary_iou_of_the_same_and_of_nothing() -> None:
    truth, nothing = disc(45, 60, 40), Mask.empty((90, 120))
    assert boundary_iou(truth, truth) == 1
    assert boundary_iou(truth, nothing) == 0
    assert boundary_iou(nothing, nothing) == 1


def test_agreement_of_pairs_and_of_pixels() -> None:
    large, small, off = disc(45, 60, 40), disc(20, 20, 5), disc(45, 66, 40)
    agreement = Agreement()
    assert (agreement.mean_iou, agreement.pixel_precision) == (0, 0)
    agreement.add(off, large)
    agreement.add(Mask.empty((90, 120)), small)
    shared = (off.to_array() & large.to_array()).sum()
    true_pixels = large.area + small.area
    assert agreement.pairs == 2
    assert agreement.mean_iou == pytest.approx(off.iou(large) / 2)
    assert agreement.mean_boundary_iou == pytest.approx(boundary_iou(off, large) / 2)
    assert agreement.pixel_iou == pytest.approx(shared / (off.area + true_pixels - shared))
    assert agreement.pixel_precision == pytest.approx(shared / off.area)
    assert agreement.pixel_recall == pytest.approx(shared / true_pixels)


def soft(seed: int, x: int) -> NDArray[np.uint8]:
    alpha = np.zeros((40, 70), np.uint8)
    alpha[5:25, x : x + 20] = np.random.default_rng(seed).integers(0, 256, (20, 20))
    return alpha


def test_sad_and_mse_are_those_of_the_whole_image() -> None:
    ours, truth = soft(1, 10), soft(2, 22)
    difference = ours / 255 - truth / 255
    mattes = Matte.from_array(ours), Matte.from_array(truth)
    assert sad(*mattes) == pytest.approx(np.abs(difference).sum() / 1000)
    assert mse(*mattes) == pytest.approx((difference**2).mean())


def test_sad_and_mse_of_mattes_without_alpha() -> None:
    nothing, truth = Matte.from_array(np.zeros((40, 70), np.uint8)), Matte.from_array(soft(2, 22))
    assert (sad(nothing, nothing), mse(nothing, nothing)) == (0, 0)
    assert sad(nothing, truth) == pytest.approx(soft(2, 22).sum() / 255 / 1000)


def test_mattes_of_two_images_are_not_compared() -> None:
    small = Matte.from_array(np.zeros((4, 7), np.uint8))
    with pytest.raises(InvalidMask, match=r"different sizes: \(4, 7\) and \(40, 70\)"):
        sad(small, Matte.from_array(soft(2, 22)))
