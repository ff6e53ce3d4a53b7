from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from premask.shaping import foreground
from premask.shaping.foreground import estimate_foreground

Rgb = NDArray[np.uint8]
SIZE = 240


@pytest.fixture(scope="module")
def cat() -> Rgb:
    return np.asarray(skimage.data.chelsea()[:SIZE, :SIZE])


@pytest.fixture(scope="module")
def cup() -> Rgb:
    return np.asarray(skimage.data.coffee()[:SIZE, :SIZE])


def soft_disc(softness: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    away = np.hypot(rows - SIZE / 2, columns - SIZE / 2)
    share = np.clip((70 - away) / softness + 0.5, 0, 1)
    return np.asarray(np.rint(share * 255), np.uint8)


def composite(front: Rgb, back: Rgb, alpha: NDArray[np.uint8]) -> Rgb:
    weight = alpha[..., np.newaxis] / 255
    return np.asarray(np.rint(weight * front + (1 - weight) * back), np.uint8)


def halo(colors: Rgb, truth: Rgb, alpha: NDArray[np.uint8]) -> float:
    """Sum of absolute differences of what is seen of the object, in units of white."""
    weight = alpha[..., np.newaxis] / 255
    return float((weight * np.abs(colors.astype(int) - truth)).sum() / 255)


@pytest.mark.parametrize(("softness", "share"), [(2, 0.6), (16, 0.75), (40, 0.8)])
def test_the_background_goes_out_of_the_edge(
    cat: Rgb, cup: Rgb, softness: float, share: float
) -> None:
    alpha = soft_disc(softness)
    seen = composite(cat, cup, alpha)
    estimated = estimate_foreground(seen, alpha)
    assert halo(estimated, cat, alpha) < share * halo(seen, cat, alpha)


def test_plain_colors_come_back_to_a_few_levels() -> None:
    red, blue = (
        np.full((SIZE, SIZE, 3), color, np.uint8) for color in ((200, 30, 20), (0, 0, 255))
    )
    alpha = soft_disc(8)
    estimated = estimate_foreground(composite(red, blue, alpha), alpha)
    assert np.abs(estimated[alpha > 60].astype(int) - red[alpha > 60]).max() <= 12


def test_colors_of_opaque_and_of_clear_pixels_are_the_images_own(cat: Rgb) -> None:
    alpha = soft_disc(16)
    estimated = estimate_foreground(cat, alpha)
    known = (alpha == 0) | (alpha == 255)
    assert np.array_equal(estimated[known], cat[known])
    assert not np.array_equal(estimated, cat)


@pytest.mark.parametrize("level", [0, 255])
def test_a_hard_alpha_changes_nothing_and_shares_nothing(cat: Rgb, level: int) -> None:
    estimated = estimate_foreground(cat, np.full((SIZE, SIZE), level, np.uint8))
    assert np.array_equal(estimated, cat)
    assert not np.shares_memory(estimated, cat)


def test_an_object_far_from_the_corner_gets_the_same_colors(cat: Rgb, cup: Rgb) -> None:
    alpha = soft_disc(16)
    seen = composite(cat, cup, alpha)
    wide, wide_alpha = np.zeros((900, 900, 3), np.uint8), np.zeros((900, 900), np.uint8)
    wide[300 : 300 + SIZE, 300 : 300 + SIZE] = seen
    wide_alpha[300 : 300 + SIZE, 300 : 300 + SIZE] = alpha
    soft = (alpha > 0) & (alpha < 255)
    inner = estimate_foreground(wide, wide_alpha)[300 : 300 + SIZE, 300 : 300 + SIZE]
    # The box side reaches beyond the photo, so colors may differ, but not by much.
    assert np.abs(inner[soft].astype(int) - estimate_foreground(seen, alpha)[soft]).mean() < 3


def test_the_colors_do_not_depend_on_the_tiles(cat: Rgb, monkeypatch: pytest.MonkeyPatch) -> None:
    alpha = soft_disc(16)
    in_one = estimate_foreground(cat, alpha)
    monkeypatch.setattr(foreground, "TILE", 50)
    assert np.array_equal(estimate_foreground(cat, alpha), in_one)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 300), (300, 2)])
def test_odd_sizes(size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    rgb.setflags(write=False)
    alpha = np.full(size_hw, 100, np.uint8)
    estimated = estimate_foreground(rgb, alpha)
    assert estimated.shape == rgb.shape
    assert estimated.dtype == np.uint8
