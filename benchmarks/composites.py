"""Clips with known masks: a cut-out moved over a panned photo; hidden, gone, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from premask.masks import Mask

Rgb = NDArray[np.uint8]
Alpha = NDArray[np.float32]

SIZE_HW = (240, 360)
FRAMES = 48

Pose = tuple[float, float, float, float]
"""Center x, y as shares of the frame, scale, and angle in degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How the cut-out goes, as a function of the time from 0 to 1; and what hides it, if anything.

    `bar` is the center and the half width of an upright post, as shares of the frame's width.
    """

    name: str
    pose: Callable[[float], Pose]
    bar: tuple[float, float] | None = None


SCENES = (
    Scene(name="moved", pose=lambda t: (0.25 + 0.5 * t, 0.5 + 0.15 * math.sin(6 * t), 1, 0)),
    Scene(name="scaled", pose=lambda t: (0.5, 0.5, 0.7 + 0.8 * t, 0)),
    Scene(name="turned", pose=lambda t: (0.5 + 0.1 * math.sin(6 * t), 0.5, 1, 120 * t)),
    Scene(name="all three", pose=lambda t: (0.3 + 0.4 * t, 0.55, 0.8 + 0.4 * t, -60 * t)),
    Scene(name="behind a post", pose=lambda t: (0.2 + 0.6 * t, 0.5, 0.9, 10 * t), bar=(0.5, 0.06)),
    Scene(name="hidden", pose=lambda t: (0.12 + 0.76 * t, 0.5, 0.6, 0), bar=(0.5, 0.17)),
    Scene(
        name="leaving and coming back",
        pose=lambda t: (0.5 + 0.75 * math.sin(math.pi * t), 0.5, 0.8, 0),
    ),
)


def composite(
    scene: Scene, cutout: tuple[Rgb, Alpha], background: Rgb
) -> Iterator[tuple[Rgb, Mask]]:
    """The frames of a scene, each with the mask of what is seen of the cut-out."""
    height, width = SIZE_HW
    rgb, alpha = cutout
    for number in range(FRAMES):
        t = number / (FRAMES - 1)
        x, y, scale, angle = scene.pose(t)
        center = (rgb.shape[1] / 2, rgb.shape[0] / 2)
        matrix = cv2.getRotationMatrix2D(center, angle, scale)
        matrix[:, 2] += (x * width - center[0], y * height - center[1])
        placed = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_AREA)
        opacity = cv2.warpAffine(alpha, matrix, (width, height), flags=cv2.INTER_LINEAR)
        # The camera pans, too.
        pan = round(20 * t)
        behind = background[pan : pan + height, 2 * pan : 2 * pan + width].astype(np.float32)
        frame = placed * opacity[..., None] + behind * (1 - opacity[..., None])
        seen = opacity >= 0.5
        if scene.bar is not None:
            middle, half = scene.bar
            post = slice(round((middle - half) * width), round((middle + half) * width))
            frame[:, post] = _post(height, post.stop - post.start)
            seen[:, post] = False
        yield np.clip(frame, 0, 255).astype(np.uint8), Mask.from_array(seen)


def cutouts() -> dict[str, tuple[Rgb, Alpha]]:
    """Parts of photos with a soft edge: a cup on its saucer, and a cat's face in a ragged one."""
    return {
        "cup": _cutout(skimage.data.coffee()[20:380, 120:520], 0.30, lambda angle: 1.0),
        "cat": _cutout(
            skimage.data.chelsea()[0:300, 90:390],
            0.40,
            lambda angle: 1 + 0.16 * math.sin(3 * angle) + 0.08 * math.sin(7 * angle),
        ),
    }


def backgrounds() -> dict[str, Rgb]:
    """Photos that are a little larger than the frames."""
    return {
        "rocket": _filling(skimage.data.rocket()),
        "astronaut": _filling(skimage.data.astronaut()),
    }


def _cutout(rgb: Rgb, share: float, outline: Callable[[float], float]) -> tuple[Rgb, Alpha]:
    """The middle of a photo, as large as this share of the frame's height in each direction."""
    side = round(SIZE_HW[0] * share * 2.4)
    small = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[:side, :side] - side / 2
    radius = np.vectorize(outline)(np.arctan2(rows, columns)) * SIZE_HW[0] * share
    distance = radius * 0.8 - np.hypot(rows, columns)
    return small, np.clip(distance + 0.5, 0, 1).astype(np.float32)


def _filling(rgb: Rgb) -> Rgb:
    height, width = SIZE_HW
    factor = max((height + 30) / rgb.shape[0], (width + 50) / rgb.shape[1])
    size_wh = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _post(height: int, width: int) -> NDArray[np.float32]:
    """Wood: brown with a grain along the post."""
    grain = np.random.default_rng(5).normal(0, 12, (1, width, 1))
    return np.broadcast_to(np.array([120, 85, 50]) + grain, (height, width, 3)).astype(np.float32)
