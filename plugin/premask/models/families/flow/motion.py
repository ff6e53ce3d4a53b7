"""Optical flow between two pictures, what of it is to be trusted, and the motion of most of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Pixels = NDArray[np.bool_]
Affine = NDArray[np.float64]
"""(2, 3): from a pixel (x, y, 1) of one picture to (x, y) of another."""

DISAGREEMENT = 1.5
"""Flow there and back may miss the pixel where it began by so many pixels."""

FEWEST = 12
"""Of fewer pixels no motion is taken."""

MOST_CHANGE = 1.5
"""An object that is so many times larger or smaller from frame to frame is not the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Where each pixel (h, w) of a picture is in another one, and whether the way back fits."""

    forward: Floats
    agrees: Pixels


def flow_from(one: Gray, other: Gray) -> Flow:
    """The flow in one direction only, taken to be right: half the effort."""
    forward = _dis(one, other)
    return Flow(forward=forward, agrees=np.ones(one.shape, np.bool_))


def flow_between(one: Gray, other: Gray) -> Flow:
    """The flow from one picture to another, and from that back, by DIS (Kroeger et al., 2016)."""
    forward, backward = _dis(one, other), _dis(other, one)
    height, width = one.shape
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    x, y = columns + forward[..., 0], rows + forward[..., 1]
    returned = cv2.remap(backward, x, y, cv2.INTER_LINEAR, borderValue=(1e3, 1e3, 0, 0))
    missed = np.hypot(*(np.moveaxis(forward + returned, -1, 0)))
    # Long ways may miss by more.
    allowed = DISAGREEMENT + 0.05 * np.hypot(forward[..., 0], forward[..., 1])
    return Flow(forward=forward, agrees=np.asarray(missed < allowed))


def _dis(one: Gray, other: Gray) -> Floats:
    # DIS can't be asked about pictures that are smaller than its patches.
    height, width = one.shape
    pad = max(0, 24 - height), max(0, 24 - width)
    if any(pad):
        one, other = (
            np.pad(gray, ((0, pad[0]), (0, pad[1])), mode="edge") for gray in (one, other)
        )
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    made = dis.calc(one, other, None)
    flow: Floats = made[:height, :width]
    return flow


def motion_of(flow: Flow, where: Pixels) -> Affine | None:
    """How most of these pixels moved: shifted, turned and scaled as one; None if they did not."""
    rows, columns = np.nonzero(where & flow.agrees)
    if len(rows) < FEWEST:
        return None
    step = max(1, len(rows) // 1500)
    rows, columns = rows[::step], columns[::step]
    begin = np.stack([columns, rows], axis=-1).astype(np.float64)
    end = begin + flow.forward[rows, columns]
    matrix, inliers = cv2.estimateAffinePartial2D(
        begin, end, method=cv2.RANSAC, ransacReprojThreshold=1.5, maxIters=500, confidence=0.995
    )
    if matrix is None or inliers.mean() < 0.3:
        return None
    motion: Affine = matrix
    return motion if 1 / MOST_CHANGE < scale_of(motion) < MOST_CHANGE else None


def scale_of(motion: Affine) -> float:
    """How many times larger things get."""
    return float(np.hypot(motion[0, 0], motion[1, 0]))


def after(second: Affine, first: Affine) -> Affine:
    """The two motions in one."""
    whole = np.vstack([second, [0, 0, 1]]) @ np.vstack([first, [0, 0, 1]])
    return np.asarray(whole[:2])


def inverse(motion: Affine) -> Affine:
    return np.asarray(cv2.invertAffineTransform(motion))


def resized(factor: float) -> Affine:
    """The motion from the pixels of a picture to those of the picture at another size.

    Pixels are counted at their centers.
    """
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift]])
