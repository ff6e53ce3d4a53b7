"""Follows objects by dense optical flow against a picture of each that is kept; no weights."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from premask.geometry import Box, box_slices, pixel_box
from premask.images import Image, Rgb
from premask.masks import Mask, Size
from premask.models.capabilities import Outline
from premask.models.families.flow.following import Followed, Seen
from premask.models.families.flow.motion import (
    Affine,
    Flow,
    Gray,
    after,
    flow_between,
    motion_of,
    resized,
    scale_of,
)
from premask.models.families.flow.search import likely_poses
from premask.models.families.flow.views import View, view_of
from premask.models.families.grabcut import GrabcutSegmenter
from premask.models.options import FlowOptions, GrabcutOptions
from premask.prompts import Hint

LONGEST = 320
"""The whole frame's flow is computed at this size, in pixels; each object's own is finer."""

CUT = 0.25
"""If so few pixels of a frame find their way back, it is another scene."""

CLEAR = 0.7
"""An object that is seen so well is where it was looked for first; else other places are tried."""

SEEN_AGAIN = 0.5
"""The score from which on a place that looks like a lost object is the object."""


class FlowTracker:
    """An algorithm, so its embeddings are the frames themselves."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        """An algorithm needs neither weights nor a device."""

    def embed(self, images: Sequence[Image]) -> list[Image]:
        """The images themselves: there is nothing to compute beforehand."""
        return list(images)

    def begin(self, size_hw: Size, options: FlowOptions) -> FlowTracking:
        """A pass over a clip of this size that has seen nothing yet."""
        return FlowTracking(size_hw, options)

    def resume(self, state: bytes, size_hw: Size, options: FlowOptions) -> FlowTracking:
        """A pass that goes on behind the frame at which its `state` was taken."""
        tracking = FlowTracking(size_hw, options)
        tracking.restore(state)
        return tracking


class FlowTracking:
    """One pass: the last frame, small and gray, and what is remembered of each object."""

    def __init__(self, size_hw: Size, options: FlowOptions) -> None:
        self._size_hw, self._options = size_hw, options
        self._factor = min(1.0, LONGEST / max(size_hw))
        self._last: Gray | None = None
        self._objects: dict[int, Followed] = {}

    def step(
        self, frame: int, embedding: Image, pointed_at: Mapping[int, Hint]
    ) -> dict[int, Outline]:
        """The masks of all objects in the next frame; of one that can't be seen it is empty."""
        rgb = embedding.rgb
        small = self._small(rgb)
        flow = None if self._last is None else flow_between(self._last, small)
        outlines = {}
        if flow is not None and flow.agrees.mean() < CUT:
            self._lose_all()
        for track, thing in self._objects.items():
            if track not in pointed_at:
                outlines[track] = self._outline(rgb, thing, flow)
        for track, hint in pointed_at.items():
            outlines[track] = self._pointed(embedding, track, hint)
        self._last = small
        return outlines

    def end(self, track: int) -> None:
        """Forget it."""
        self._objects.pop(track, None)

    def state(self) -> bytes:
        """Arrays in NumPy's own format, which holds no code."""
        arrays: dict[str, NDArray[Any]] = {}
        if self._last is not None:
            arrays["last"] = self._last
        for track, thing in self._objects.items():
            numbers = [thing.age, thing.lost, thing.whole, thing.drawn]
            arrays[f"{track} numbers"] = np.array(numbers, np.float64)
            arrays[f"{track} poses"] = np.stack([thing.pose, thing.step])
            for part in fields(View):
                arrays[f"{track} {part.name}"] = getattr(thing.view, part.name)
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()

    def restore(self, state: bytes) -> None:
        """Become what `state` was."""
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            self._last = arrays.get("last", None)
            tracks = dict.fromkeys(int(name.split()[0]) for name in arrays if name != "last")
            for track in tracks:
                *counts, whole, drawn = arrays[f"{track} numbers"].tolist()
                age, lost = map(int, counts)
                pose, step = arrays[f"{track} poses"]
                view = View(**{part.name: arrays[f"{track} {part.name}"] for part in fields(View)})
                self._objects[track] = Followed(
                    view=view, pose=pose, step=step, age=age, lost=lost, whole=whole, drawn=drawn
                )

    def _pointed(self, image: Image, track: int, hint: Hint) -> Outline:
        """Begin with what somebody pointed at; a mask is taken as it is, others are outlined."""
        mask, score = hint.mask, hint.score
        if mask is None:
            ((outline,),) = GrabcutSegmenter(weights=None, device="cpu").segment(
                [image], [[hint]], GrabcutOptions()
            )
            mask = outline.mask
            if not mask.area and hint.box_xyxy is not None:
                # Nothing stands out in the box: then all of it is meant.
                mask = _filled(hint.box_xyxy, self._size_hw)
        if mask.area:
            view, pose = view_of(image.rgb, mask)
            self._objects[track] = Followed(view=view, pose=pose, drawn=scale_of(pose))
        elif track in self._objects:
            # Somebody says that it is not there now.
            self._objects[track].lost = 1
        return Outline(mask=mask, score=score)

    def _outline(self, rgb: Rgb, thing: Followed, flow: Flow | None) -> Outline:
        best: Seen | None = None
        for pose in self._guesses(rgb, thing, flow):
            seen = thing.look(rgb, pose)
            if best is None or seen.score > best.score:
                best = seen
            if best.score >= CLEAR:
                break
        needed = SEEN_AGAIN if thing.lost else self._options.least_score
        if best is None or best.score < needed or not best.mask.area:
            thing.miss()
            return Outline(mask=Mask.empty(self._size_hw), score=best.score if best else 0.0)
        thing.keep(best, rgb)
        return Outline(mask=best.mask, score=best.score)

    def _guesses(self, rgb: Rgb, thing: Followed, flow: Flow | None) -> Iterator[Affine]:
        """Where the object may be in this frame."""
        if not thing.lost:
            yield after(self._moved(thing, flow), thing.pose)
            yield thing.going_on()
            return
        yield thing.pose
        if self._options.search:
            yield from likely_poses(rgb, thing.view, thing.pose)

    def _moved(self, thing: Followed, flow: Flow | None) -> Affine:
        """How the object moved since the last frame, in pixels of the frame."""
        if flow is None:
            return thing.step
        height, width = flow.agrees.shape
        there = after(resized(self._factor), thing.pose)
        where = cv2.warpAffine(thing.view.alpha, there, (width, height)) >= 0.5
        motion = motion_of(flow, where)
        if motion is None:
            return thing.step
        return after(after(resized(1 / self._factor), motion), resized(self._factor))

    def _lose_all(self) -> None:
        for thing in self._objects.values():
            thing.lost += 1

    def _small(self, rgb: Rgb) -> Gray:
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        height, width = self._size_hw
        size_wh = round(width * self._factor), round(height * self._factor)
        return np.asarray(cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _filled(box_xyxy: Box, size_hw: Size) -> Mask:
    pixels = np.zeros(size_hw, np.bool_)
    pixels[box_slices(pixel_box(box_xyxy, size_hw))] = True
    return Mask.from_array(pixels)
