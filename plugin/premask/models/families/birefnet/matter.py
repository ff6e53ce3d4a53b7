"""BiRefNet: the subject of an image with a fine edge, by our own copy of the network."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import SafetensorError
from safetensors.torch import load_file
from torchvision.transforms.v2.functional import resize

from premask.errors import MissingWeights
from premask.geometry import IntBox, box_slices
from premask.images import Image, Rgb
from premask.masks import Alpha, Mask, Size
from premask.models.families.birefnet.network import MULTIPLE, BiRefNet, Weights, shape_of
from premask.models.options import BirefnetOptions
from premask.models.parts.imagenet import DEVIATION, MEAN
from premask.models.parts.off_device import on_host
from premask.models.parts.salient_subject import around, subject_hints
from premask.models.parts.torch_runtime import (
    FittingSizes,
    compile_on_gpu,
    device_of,
    images_that_fit,
    in_alike_batches,
)
from premask.models.weights.pickles import TENSORS, require_known
from premask.prompts import Hint, Prompts

SHORTEST = 256
LONGEST = 2304
"""The sides, in pixels, that the authors' dynamic checkpoint was trained with."""

WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")
"""What torch puts before the names of weights that were trained on several GPUs, or compiled."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """Pixels (h, w, 3) that the network looks at, and the size at which it sees them."""

    rgb: Rgb
    seen_hw: Size


class BirefnetMatter:
    """Finds the subject of an image, and mattes it: alone in the image, or around a mask."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._dtype = float16_on_gpu(self._device)
        self._network = _loaded(weights).to(self._device, self._dtype).eval()
        self._at_once = images_that_fit(self._device, 3500)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def compile(self) -> bool:
        """Let torch compile the network, if it is on a GPU."""
        return compile_on_gpu(self._network, self._device)

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: BirefnetOptions
    ) -> list[list[Hint]]:
        """The subject of each image and its mask, if there is one; prompts change nothing."""
        alphas = self.matte(images, [None] * len(images), options)
        return [subject_hints(alpha) for alpha in alphas]

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: BirefnetOptions
    ) -> list[Alpha]:
        """Alpha (height, width) of each subject; with a mask, of what lies in and around it."""
        boxes = [_looked_at(image, mask) for image, mask in zip(images, masks, strict=True)]
        crops = [
            image.rgb[box_slices(box)]
            for image, box in zip(images, boxes, strict=True)
            if box is not None
        ]
        views = [
            _View(rgb=rgb, seen_hw=network_size((rgb.shape[0], rgb.shape[1]), options))
            for rgb in crops
        ]
        alphas = iter(
            in_alike_batches(
                self._alphas, views, self._at_once, lambda view: view.seen_hw, self._fitting
            )
        )
        return [
            _in_place(None if box is None else next(alphas), box, image.size_hw)
            for image, box in zip(images, boxes, strict=True)
        ]

    def _alphas(self, views: Sequence[_View]) -> list[Alpha]:
        """Alpha of each view at the view's own size; all are seen at the same size."""
        pixels = torch.cat([self._normalized(view) for view in views])
        with self._lock, torch.inference_mode():
            activations = self._network(pixels).float().sigmoid()
        return on_host(
            *(
                _alpha(activation[None], (view.rgb.shape[0], view.rgb.shape[1]))
                for activation, view in zip(activations, views, strict=True)
            )
        )

    def _normalized(self, view: _View) -> torch.Tensor:
        """The network's input (1, 3, h, w)."""
        # A copy, as torch takes neither negative strides nor memory that can't be written to.
        pixels = torch.from_numpy(view.rgb.copy()).to(self._device).permute(2, 0, 1)[None]
        # In 8 bits, as Pillow would: that is what the network was trained with.
        resized = resize(pixels, list(view.seen_hw), antialias=True).float() / 255
        mean, deviation = (
            torch.tensor(values, device=self._device)[:, None, None] for values in (MEAN, DEVIATION)
        )
        return ((resized - mean) / deviation).to(self._dtype)


def float16_on_gpu(device: torch.device) -> torch.dtype:
    """Half floats on a GPU, as the authors run it: torchvision has no deformed bfloat16."""
    return torch.float16 if device.type == "cuda" else torch.float32


def network_size(size_hw: Size, options: BirefnetOptions) -> Size:
    """Height and width at which the network sees an image of this size."""
    scale = min(1.0, LONGEST / max(size_hw))
    own = [max(SHORTEST, side * scale) for side in size_hw]
    height, width = (
        max(1, round((wanted or side) / MULTIPLE)) * MULTIPLE
        for wanted, side in zip((options.height, options.width), own, strict=True)
    )
    return height, width


def _looked_at(image: Image, mask: Mask | None) -> IntBox | None:
    """The part of the image that the network sees; None where there is nothing to matte."""
    if mask is None:
        return 0, 0, image.size_hw[1], image.size_hw[0]
    return around(mask) if mask.area else None


def _in_place(alpha: Alpha | None, box: IntBox | None, size_hw: Size) -> Alpha:
    if alpha is not None and alpha.shape == size_hw:
        return alpha
    whole = np.zeros(size_hw, np.uint8)
    if alpha is not None and box is not None:
        whole[box_slices(box)] = alpha
    return whole


def _alpha(activation: torch.Tensor, size_hw: Size) -> torch.Tensor:
    """Activation (1, 1, h, w), 0 to 1, as alpha of this size."""
    resized = F.interpolate(activation, size_hw, mode="bilinear", antialias=True)[0, 0]
    return resized.mul_(255).round_().to(torch.uint8)


def _loaded(path: Path) -> BiRefNet:
    weights = {WRAPPERS.sub("", name): values for name, values in _read(path).items()}
    try:
        # On the device `meta` nothing is allocated: it would take seconds to draw random numbers
        # for a network of this size, only to replace them.
        with torch.device("meta"):
            network = BiRefNet(shape_of(weights))
        network.load_state_dict(weights, assign=True)
    except (KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise MissingWeights(
            f"The weights in {path} are not those of a BiRefNet with a Swin encoder ({reason}). "
            "They are of another architecture, or the file is incomplete: download them again."
        ) from error
    return network


def _read(path: Path) -> Weights:
    """The tensors of a folder, of a safetensors file, or of a .pth file that holds only tensors."""
    file = path / "model.safetensors" if path.is_dir() else path
    if file.suffix in (".pth", ".pt"):
        require_known(file, TENSORS)
        pickled: Weights = torch.load(file, map_location="cpu", weights_only=True)
        return pickled
    try:
        weights: Weights = load_file(file)
    except (OSError, SafetensorError) as error:
        raise MissingWeights(
            f"{file} can't be read ({error}). Download the model again, or name a folder that has "
            "its model.safetensors."
        ) from error
    return weights
