"""U2-Net: the salient subject of a photo and its soft edge, by ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import PIL.Image
from numpy.typing import NDArray

from premask.cores import usable_cores
from premask.errors import MissingWeights
from premask.geometry import box_slices
from premask.images import Image, Rgb
from premask.masks import Alpha, Mask
from premask.models.options import NoOptions
from premask.models.parts.imagenet import DEVIATION, MEAN
from premask.models.parts.salient_subject import around, subject_hints
from premask.prompts import Hint, Prompts

# The network was exported for exactly one image of this size.
SIDE = 320

FAINTEST = 0.5
"""An output that is nowhere above this shows no subject.

The output is stretched to 0 to 1, which would make a subject of the faintest noise.
"""


STRIP = 64
"""Rows that are rounded at once."""


class U2netMatter:
    """Finds the salient subject, and mattes it: alone in the image, or around a mask."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        if weights is None:
            raise MissingWeights(
                "U2-Net needs its weights, and none were given. "
                "Get them with: premask models download u2netp"
            )
        self._session = _session(weights, device)
        self._lock = threading.Lock()
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: NoOptions
    ) -> list[list[Hint]]:
        """The subject of each image and its mask, if there is one; prompts change nothing."""
        return [subject_hints(self._alpha(image.rgb)) for image in images]

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: NoOptions
    ) -> list[Alpha]:
        """Alpha (height, width) of each subject; with a mask, of what lies in and around it."""
        return [self._matte(image, mask) for image, mask in zip(images, masks, strict=True)]

    def _matte(self, image: Image, mask: Mask | None) -> Alpha:
        if mask is None:
            return self._alpha(image.rgb)
        alpha = np.zeros(image.size_hw, np.uint8)
        if mask.area:
            view = box_slices(around(mask))
            alpha[view] = self._alpha(image.rgb[view])
        return alpha

    def _alpha(self, rgb: Rgb) -> Alpha:
        """Alpha (height, width) of the subject of these pixels; all 0 when there is none."""
        pixels = _network_input(rgb)
        # One image uses all cores; two at once would only wait for each other.
        with self._lock:
            raw = self._session.run([self._output], {self._input: pixels})[0][0, 0]
        low, high = raw.min(), raw.max()
        height, width = rgb.shape[:2]
        if high < FAINTEST or high == low:
            return np.zeros((height, width), np.uint8)
        return _resized((raw - low) / (high - low), (height, width))


def _session(weights: Path, device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    # By default its idle threads go on spinning, and take the cores from whoever decodes images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The plan that it makes of the first image's memory takes 200 MB more from the second one on,
    # and no time less: it keeps the first image's blocks beside its own.
    options.enable_mem_pattern = False
    wanted = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        wanted.insert(0, "CUDAExecutionProvider")
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in wanted if provider in available]
    return onnxruntime.InferenceSession(str(weights), options, providers=providers)


def _network_input(rgb: Rgb) -> NDArray[np.float32]:
    """(1, 3, SIDE, SIDE) as in training: divided by the brightest value, then normalized."""
    picture = PIL.Image.fromarray(rgb).resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.float32)
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    normal = (pixels / max(pixels.max(), 1) - mean) / deviation
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[np.newaxis], np.float32)


def _resized(activation: NDArray[np.float32], size_hw: tuple[int, int]) -> Alpha:
    """Activation 0 to 1 of any size as alpha (height, width)."""
    picture = PIL.Image.fromarray(activation)
    # Bicubic, in floats: Lanczos' outer lobes draw a faint second edge around the subject.
    resized = picture.resize(size_hw[::-1], PIL.Image.Resampling.BICUBIC)
    values, alpha = np.asarray(resized), np.empty(size_hw, np.uint8)
    # In strips, because doubles of the whole image would be the largest thing in memory.
    for top in range(0, size_hw[0], STRIP):
        strip = slice(top, top + STRIP)
        alpha[strip] = np.rint(values[strip].astype(np.float64).clip(0, 1) * 255)
    return alpha
