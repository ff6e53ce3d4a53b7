"""What is thin, ragged, faint or unsure is doubtful, and one such object makes its image so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation
from premask.masks import Mask, Matte
from premask.shaping.doubt import (
    POSSIBLY,
    SURELY,
    least_sure,
    stability,
    sureness,
    threshold_stability,
)


def disc(radius: float, size_hw: tuple[int, int] = (90, 120)) -> Mask:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return Mask.from_array(np.hypot(rows - 45, columns - 60) <= radius)


def edge(width: float) -> NDArray[np.uint8]:
    """Alpha of a square, with edges that fall from 255 to 0 over so many pixels."""
    columns = np.arange(120)
    inside = 40.5 - abs(columns - 60)
    profile = np.clip(inside / width + 0.5, 0, 1)
    return np.asarray(np.rint(np.minimum.outer(profile, profile) * 255), np.uint8)


def test_stability_falls_from_compact_to_thin_to_dust() -> None:
    rows, columns = np.mgrid[:90, :120]
    line = Mask.from_array((abs(rows - 45) < 3) & (columns > 10) & (columns < 110))
    dust = Mask.from_array((rows % 5 == 0) & (columns % 5 == 0))
    # Of a disc of radius 30, 2% of its box's diagonal of 61 sqrt(2) are 2 pixels.
    assert stability(disc(30)) == pytest.approx((28 / 32) ** 2, abs=0.03)
    assert stability(disc(30)) > stability(line) > stability(dust) == 0
    assert stability(Mask.empty((90, 120))) == 0
    assert math.isclose(stability(Mask.empty((90, 120)).inverted()), 1)


def test_the_thresholds_are_those_of_sam_as_alpha() -> None:
    """SAM's authors count the pixels whose logit is above 1, and those where it is above -1."""
    logits = np.linspace(-6, 6, 20_000)
    alpha = np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8)[None]
    expected = (logits > 1).sum() / (logits > -1).sum()
    assert threshold_stability(Matte.from_array(alpha)) == pytest.approx(expected, rel=0.005)
    assert POSSIBLY < 128 < SURELY


def test_a_soft_mask_is_less_stable_the_wider_its_edge_is() -> None:
    stabilities = [threshold_stability(Matte.from_array(edge(width))) for width in (0.1, 8, 40)]
    assert stabilities[0] == 1
    assert stabilities == sorted(stabilities, reverse=True)
    assert stabilities[-1] < 0.7
    faint = np.full((9, 9), 100, np.uint8)
    assert threshold_stability(Matte.from_array(faint)) == 0
    assert threshold_stability(Matte.from_array(np.zeros((9, 9), np.uint8))) == 0


def test_a_score_goes_before_the_soft_mask_and_that_before_the_hard_one() -> None:
    matte = Matte.from_array(edge(8))
    soft = Annotation(label="a", box_xyxy=(0, 0, 9, 9), mask=matte.mask(), matte=matte)
    hard = Annotation(label="a", box_xyxy=(0, 0, 9, 9), mask=matte.mask())
    scored = Annotation(label="a", box_xyxy=(0, 0, 9, 9), mask=matte.mask(), score=0.0)
    assert sureness(scored) == 0
    assert sureness(soft) == threshold_stability(matte)
    assert sureness(hard) == stability(matte.mask())
    assert sureness(Annotation(label="a", box_xyxy=(0, 0, 9, 9))) is None


def test_one_doubtful_object_is_not_hidden_by_sure_ones() -> None:
    def of(*scores: float | None) -> float | None:
        return least_sure(
            [Annotation(label="a", box_xyxy=(0, 0, 9, 9), score=score) for score in scores]
        )

    assert of(0.9, 0.9, 0.3, 0.9) == 0.3
    assert of(None, 0.8) == 0.8
    assert of(None) is of() is None
