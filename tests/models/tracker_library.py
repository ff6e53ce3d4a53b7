"""Clips for the tests of trackers, and transformers' own sessions over whole clips to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import (
    EdgeTamVideoModel,
    Sam2ImageProcessor,
    Sam2VideoModel,
    Sam3ImageProcessor,
    Sam3TrackerVideoModel,
)
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoInferenceSession,
)

from premask.images import Image
from premask.masks import Mask, Size
from premask.models.capabilities import Outline, Tracking
from premask.models.parts.promptable_tracker import PromptableTracker
from premask.models.parts.video_prompts import video_prompt_of
from premask.prompts import Hint
from tests.tiny_models import edgetam, sam2, sam3_tracker

Prompted = Mapping[int, Mapping[int, Hint]]
"""Hints by frame and track."""

LIBRARY: dict[str, tuple[ModuleType, Any, Any, Any]] = {
    "sam2": (sam2, Sam2VideoModel, Sam2VideoInferenceSession, Sam2ImageProcessor),
    "edgetam": (edgetam, EdgeTamVideoModel, EdgeTamVideoInferenceSession, Sam2ImageProcessor),
    "sam3-tracker": (
        sam3_tracker,
        Sam3TrackerVideoModel,
        Sam3TrackerVideoInferenceSession,
        Sam3ImageProcessor,
    ),
}
FRAME_HW = (96, 72)
LONGEST = 60


def clip(frames: int, seed: int = 0, size_hw: Size = FRAME_HW) -> list[Image]:
    """A landscape of soft blobs that goes by."""
    height, width = size_hw
    noise = np.random.default_rng(seed).normal(size=(height, width + 2 * LONGEST, 3))
    blobs = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    pixels = blobs.astype(np.uint8)
    return [
        Image.from_rgb(np.ascontiguousarray(pixels[:, 2 * index : 2 * index + width]), name="clip")
        for index in range(frames)
    ]


def followed(
    tracker: PromptableTracker,
    images: Sequence[Image],
    prompted: Prompted,
    tracking: Tracking | None = None,
    start: int = 0,
) -> list[Mapping[int, Outline]]:
    """What a tracker says of each frame, in the order of the images."""
    tracking = tracking or tracker.begin(images[0].size_hw, None)
    return [
        tracking.step(start + index, tracker.embed([image])[0], prompted.get(start + index, {}))
        for index, image in enumerate(images)
    ]


def decoding_exactly(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """The devices whose matrix products a module keeps exact, one for each time that it does."""
    devices: list[torch.device] = []

    @contextmanager
    def noted(device: torch.device) -> Iterator[None]:
        devices.append(device)
        yield

    monkeypatch.setattr(module, "exact_products", noted)
    return devices


class LibrarySession:
    """transformers' model and its session for one object, over a whole clip, nothing dropped.

    One object each, as its sessions of SAM 2 let objects disturb each other: where one is pointed
    at, the masks of all count as certain when they are remembered.
    """

    def __init__(self, family: str, folder: Path, images: Sequence[Image]) -> None:
        _, model_class, session_class, processor_class = LIBRARY[family]
        self.model = model_class.from_pretrained(folder).eval()
        processor = processor_class.from_pretrained(folder)
        rgb = [torch.tensor(image.rgb).permute(2, 0, 1) for image in images]
        # One by one, as the pixels of a batch differ in the last digit.
        pixels = [
            processor(images=[of_one], return_tensors="pt", input_data_format="channels_first")
            for of_one in rgb
        ]
        self._size_hw = images[0].size_hw
        self.session = session_class(
            video=torch.cat([of_one["pixel_values"] for of_one in pixels]),
            video_height=self._size_hw[0],
            video_width=self._size_hw[1],
            dtype=torch.float32,
        )

    def point_at(self, frame: int, prompt: Any) -> None:
        index = self.session.obj_id_to_idx(1)
        if prompt.mask is not None:
            self.session.add_mask_inputs(index, frame, prompt.mask)
        else:
            points = {"point_coords": prompt.points, "point_labels": prompt.labels}
            self.session.add_point_inputs(index, frame, points)
        self.session.obj_with_new_inputs = [1]

    def mask_at(self, frame: int, *, reverse: bool = False) -> Mask:
        output = self.model(inference_session=self.session, frame_idx=frame, reverse=reverse)
        large = F.interpolate(
            output.pred_masks, self._size_hw, mode="bilinear", align_corners=False
        )
        return Mask.from_array((large[0, 0] > 0).numpy())


def library_masks(
    family: str,
    folder: Path,
    images: Sequence[Image],
    hints: Mapping[int, Hint],
    tracker: PromptableTracker,
    *,
    reverse: bool = False,
) -> dict[int, Mask]:
    """Its masks of one object by frame, from the first hint on; the later ones correct it."""
    session = LibrarySession(family, folder, images)
    network = tracker._network
    canvas = network.canvas(images[0].size_hw)
    frames = range(max(hints), -1, -1) if reverse else range(min(hints), len(images))
    masks: dict[int, Mask] = {}
    for frame in frames:
        if frame in hints:
            prompt = video_prompt_of(hints[frame], canvas, network.low_side)
            if masks and not (hints[frame].box_xyxy or hints[frame].mask):
                session.mask_at(frame, reverse=reverse)  # a click corrects what is tracked
            session.point_at(frame, prompt)
        masks[frame] = session.mask_at(frame, reverse=reverse)
    return masks
