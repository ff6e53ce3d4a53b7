"""Errors of mattes that people see: at gradients, and where parts hang together (Rhemann, 2009)."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.masks import Alpha, Matte

Floats = NDArray[np.float64]

_SIGMA = 1.4
_SMALLEST = 1e-2
"""Where the Gaussian is cut off."""

_STEP = 0.1
_LEAST_DIFFERENCE = 0.15
"""Smaller differences to where a pixel is connected are not seen."""


def gradient_error(matte: Matte, truth: Matte) -> float:
    """Sum of squared differences of the alphas' gradients, in thousands."""
    difference = _gradient(_shares(matte.to_array())) - _gradient(_shares(truth.to_array()))
    return float(np.square(difference).sum()) / 1000


def connectivity_error(matte: Matte, truth: Matte) -> float:
    """How differently pixels hang together with the opaque part of both, in thousands of pixels."""
    alpha, true = _shares(matte.to_array()), _shares(truth.to_array())
    connected = np.full(alpha.shape, -1.0)
    levels = np.arange(0, 1 + _STEP, _STEP)
    for below, level in itertools.pairwise(levels):
        left = (connected < 0) & ~_largest_part((alpha >= level) & (true >= level))
        connected[left] = below
    connected[connected < 0] = 1.0
    return float(np.abs(_degree(alpha - connected) - _degree(true - connected)).sum()) / 1000


def _shares(alpha: Alpha) -> Floats:
    return alpha.astype(np.float64) / 255


def _degree(difference: Floats) -> Floats:
    return 1 - difference * (difference >= _LEAST_DIFFERENCE)


def _largest_part(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    numbers, count = ndimage.label(pixels)
    if not count:
        return np.zeros(pixels.shape, np.bool_)
    sizes = np.bincount(np.ravel(numbers))[1:]
    return np.asarray(numbers == 1 + int(np.argmax(sizes)))


def _gradient(alpha: Floats) -> Floats:
    """Its length at each pixel, by first derivatives of a Gaussian with an energy of 1."""
    reach = math.ceil(
        _SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * _SIGMA * _SMALLEST))
    )
    steps = np.arange(-reach, reach + 1)
    bell = np.exp(-np.square(steps) / (2 * _SIGMA**2)) / (_SIGMA * math.sqrt(2 * math.pi))
    slope = -steps * bell / _SIGMA**2
    scale = math.sqrt(float(np.square(np.outer(bell, slope)).sum()))
    across = _filtered(_filtered(alpha, bell, 0), slope, 1) / scale
    down = _filtered(_filtered(alpha, slope, 0), bell, 1) / scale
    return np.hypot(across, down)


def _filtered(alpha: Floats, weights: Floats, axis: int) -> Floats:
    return np.asarray(ndimage.correlate1d(alpha, weights, axis=axis, mode="nearest"))
