"""Where an object that was lost might be: places in a frame that look like its picture."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from premask.images import Rgb
from premask.models.families.flow.motion import Affine, after, resized, scale_of
from premask.models.families.flow.views import View

SIDE = 40
"""The object's picture is compared at this size, in pixels: it says enough, and takes little."""

LIKE = 0.45
"""Places with a lower correlation are not looked at closely."""

PLACES = 2
SCALES = (0.8, 1.0, 1.25)
"""How large it may be when it comes back, compared with when it was seen last."""


def likely_poses(rgb: Rgb, view: View, pose: Affine) -> Iterator[Affine]:
    """Poses of the object in the frame, the likeliest first; `pose` is where it was seen last."""
    found = [place for scale in SCALES for place in _places(rgb, view, pose, scale)]
    for _, likely in sorted(found, key=lambda place: -place[0])[:PLACES]:
        yield likely


def _places(rgb: Rgb, view: View, pose: Affine, scale: float) -> Iterator[tuple[float, Affine]]:
    """The best place at one scale, with its correlation."""
    size = max(view.alpha.shape)
    factor = min(1.0, SIDE / (size * scale_of(pose) * scale))
    turned = pose.copy()
    turned[:, :2] *= scale * factor
    # The object's picture as it would look in the small frame, in a box of its own.
    down, across = view.alpha.shape
    corners = np.array([[0, 0], [across, 0], [0, down], [across, down]], np.float64)
    ends = corners @ turned[:, :2].T
    low, high = ends.min(axis=0), ends.max(axis=0)
    width, height = (max(3, int(side)) for side in np.ceil(high - low))
    turned[:, 2] = -low
    picture = cv2.warpAffine(view.rgb, turned, (width, height), flags=cv2.INTER_AREA)
    inside = cv2.warpAffine(view.alpha, turned, (width, height)) > 0.5
    if inside.sum() < 20:
        return
    small = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    # It may stick out of the frame.
    down, across = height // 2, width // 2
    padded = cv2.copyMakeBorder(small, down, down, across, across, cv2.BORDER_REPLICATE)
    mask = np.repeat(inside[..., None].astype(np.float32), 3, axis=-1)
    scores = cv2.matchTemplate(
        padded.astype(np.float32), picture.astype(np.float32), cv2.TM_CCOEFF_NORMED, mask=mask
    )
    scores[~np.isfinite(scores)] = -1
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    if best >= LIKE:
        turned[:, 2] += (x - across, y - down)
        yield float(best), after(resized(1 / factor), turned)
