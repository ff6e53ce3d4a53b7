"""One object from frame to frame: where it must be by now, what of it is seen, and how sure."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from premask.geometry import box_slices
from premask.images import Rgb
from premask.masks import Mask, Size
from premask.models.families.flow.motion import (
    Affine,
    Floats,
    Pixels,
    after,
    flow_between,
    flow_from,
    motion_of,
    scale_of,
)
from premask.models.families.flow.views import View, box_around, edge_found_anew, likeness, view_of

UNLIKE = 26.0
"""Blurred colors (CIELAB, 0 to 255 a channel) that differ by more show something else."""

SURE_ENOUGH_TO_LEARN = 0.85
"""Below this score the picture of the object is not renewed: something may be in front of it."""

LEAST_IN_FRAME = 0.03
"""An object is gone when less of it is in the frame."""

WHOLE = 0.85
"""A picture is renewed only by one that has so much of the object as it was pointed at."""

BENT = 1.5
"""It is renewed sooner when it has to be bent by more than so many of its pixels."""

SMOOTHNESS = 4.0
"""Neighbors so many pixels away, in the object's picture, move alike."""

SURE_ENOUGH_TO_MOVE = 0.6
"""Below this score, it is not learned how the object moves: what hides it may move otherwise."""

HIDDEN = 20
"""For so many frames an object that is hidden is taken to move on."""

OLD = 10
"""After so many frames, the picture that an object is compared with is renewed if it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object in a frame: its mask, how sure that is, and how far its picture was bent.

    `in_frame` is how much of it does not lie beyond the frame's border.
    """

    mask: Mask
    score: float
    pose: Affine
    bent: float
    in_frame: float


@dataclass(slots=True, kw_only=True)
class Followed:
    """What is remembered of an object: how it looks, where that is in the frame, how it moves.

    `lost` counts the frames since it was seen. `whole` is how much of the object its picture
    has, and `drawn` how large a pixel of it was in the frame.
    """

    view: View
    pose: Affine
    drawn: float
    step: Affine = field(default_factory=lambda: np.eye(2, 3))
    age: int = 0
    lost: int = 0
    whole: float = 1.0

    def look(self, rgb: Rgb, pose: Affine) -> Seen:
        """What is seen of it in a frame if it is about where the pose says."""
        pose, bending, agrees = self._aligned(rgb, pose)
        alpha, visible = self._visible(rgb, pose, self._of_object(bending, agrees))
        inside = self._inside(rgb, pose)
        expected = max(1, int(inside.sum()))
        score = float((inside & visible & agrees).sum()) / expected
        # What lies beyond the frame can't be seen, and is no reason for doubt; but it can't be all.
        in_frame = self.in_frame(rgb, pose)
        if in_frame < LEAST_IN_FRAME:
            score = 0.0
        mask = self._mask(rgb, alpha, pose, (rgb.shape[0], rgb.shape[1]))
        inner = inside & visible
        bent = float(np.median(np.hypot(*bending[inner].T))) if inner.any() else 0.0
        return Seen(mask=mask, score=score, pose=pose, bent=bent, in_frame=in_frame)

    def in_frame(self, rgb: Rgb, pose: Affine) -> float:
        """How much of the object lies in the frame."""
        return float(self._inside(rgb, pose).sum() / max(1, self.view.inside.sum()))

    def _inside(self, rgb: Rgb, pose: Affine) -> Pixels:
        """The object's pixels in the view that are in the frame."""
        frame = np.ones(rgb.shape[:2], np.uint8)
        return np.asarray(self.view.inside & (self._in_view(frame, pose) > 0))

    def going_on(self) -> Affine:
        """Where it is if it moves on as it did when it was seen well."""
        height, width = self.view.alpha.shape
        center = self.pose @ np.array([width / 2, height / 2, 1.0])
        moved = self.pose.copy()
        moved[:, 2] += self.step @ np.append(center, 1.0) - center
        return moved

    def miss(self) -> None:
        """It can't be seen; for a while it is taken to move on behind whatever hides it."""
        self.lost += 1
        if self.lost <= HIDDEN:
            self.pose = self.going_on()

    def keep(self, seen: Seen, rgb: Rgb) -> None:
        """Remember what was seen."""
        if seen.score >= SURE_ENOUGH_TO_MOVE:
            self.step = after(seen.pose, _inverse(self.pose))
        self.pose, self.lost, self.age = seen.pose, 0, self.age + 1
        changed = abs(np.log(max(1e-6, scale_of(seen.pose) / self.drawn))) > 0.2
        is_whole = seen.in_frame * self.whole > WHOLE and seen.score >= SURE_ENOUGH_TO_LEARN
        if is_whole and (self.age >= OLD or seen.bent > BENT or changed):
            self.view, self.pose = view_of(rgb, seen.mask)
            self.age, self.whole, self.drawn = 0, seen.in_frame * self.whole, scale_of(self.pose)

    def _aligned(self, rgb: Rgb, pose: Affine) -> tuple[Affine, Floats, Pixels]:
        """The exact pose, and what is left of the flow in it, and where that agrees."""
        flow = flow_from(self.view.gray, _gray(self._in_view(rgb, pose)))
        motion = motion_of(flow, self.view.inside)
        if motion is not None:
            pose = after(pose, motion)
        flow = flow_between(self.view.gray, _gray(self._in_view(rgb, pose)))
        return pose, flow.forward, flow.agrees

    def _of_object(self, bending: Floats, agrees: Pixels) -> Floats:
        """The bending where it is the object's, smoothed, and the same just beyond its edge.

        There the flow is that of the background, which would draw the mask out.
        """
        sure = (self.view.inside & agrees).astype(np.float32)
        weight = cv2.GaussianBlur(sure, (0, 0), SMOOTHNESS)
        smooth = cv2.GaussianBlur(bending * sure[..., None], (0, 0), SMOOTHNESS)
        return np.asarray(smooth / np.maximum(weight, 1e-3)[..., None], np.float32)

    def _visible(self, rgb: Rgb, pose: Affine, bending: Floats) -> tuple[Floats, Pixels]:
        """The soft mask as it is bent in this frame, and where the object looks like itself."""
        height, width = self.view.alpha.shape
        columns, rows = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        now = self._in_view(rgb, pose)
        straight = cv2.remap(
            now,
            columns + bending[..., 0],
            rows + bending[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        unlike = np.linalg.norm(_blurred_lab(straight) - _blurred_lab(self.view.rgb), axis=-1)
        # Beyond what was known of it, the object is where its colors are.
        similar = np.where(self.view.known > 0, unlike < UNLIKE, likeness(now, self.view) > 0.6)
        visible = cv2.medianBlur(similar.astype(np.uint8), 5) > 0
        # To bend the mask, each of its pixels asks where it came from.
        alpha = cv2.remap(
            self.view.alpha * visible,
            columns - bending[..., 0],
            rows - bending[..., 1],
            cv2.INTER_LINEAR,
        )
        return np.asarray(alpha, np.float32), np.asarray(visible)

    def _in_view(self, frame: Rgb, pose: Affine) -> Rgb:
        """The part of a frame that the view shows, as it would be seen in it."""
        size_wh = self.view.alpha.shape[::-1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE if frame.ndim == 3 else cv2.BORDER_CONSTANT
        seen: Rgb = cv2.warpAffine(frame, pose, size_wh, flags=flags, borderMode=border)
        return seen

    def _mask(self, rgb: Rgb, alpha: Floats, pose: Affine, size_hw: Size) -> Mask:
        """The mask in the frame, with an edge that fits the frame's own colors."""
        placed = cv2.warpAffine(alpha, pose, size_hw[::-1], flags=cv2.INTER_LINEAR)
        radius = max(1, round(0.02 * float((placed >= 0.5).sum()) ** 0.5))
        around = box_around(placed >= 0.5, size_hw, 3 * radius + 2)
        if around is None:
            return Mask.empty(size_hw)
        part = box_slices(around)
        pixels = edge_found_anew(np.ascontiguousarray(rgb[part]), placed[part], self.view, radius)
        return Mask.from_crop(pixels, around[:2], size_hw)


def _inverse(pose: Affine) -> Affine:
    return np.asarray(cv2.invertAffineTransform(pose))


def _gray(rgb: Rgb) -> Rgb:
    gray: Rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return gray


def _blurred_lab(rgb: Rgb) -> Floats:
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1.5), cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float32)
