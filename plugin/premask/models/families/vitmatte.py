"""ViTMatte (Yao 2024): the band around a mask's edge, decided by a vision transformer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from transformers import VitMatteForImageMatting, VitMatteImageProcessor

from premask.geometry import IntBox, box_slices, grow_box, hull, pixel_box
from premask.images import Image, Rgb
from premask.masks import Alpha, Mask, Size
from premask.models.options import VitMatteOptions
from premask.models.parts.off_device import on_host
from premask.models.parts.salient_subject import around
from premask.models.parts.torch_runtime import (
    FittingSizes,
    device_of,
    images_that_fit,
    in_alike_batches,
    load_processor,
    load_strictly,
    quick_products,
)
from premask.models.parts.trimap import Pixels, band_radius, core, required_mask

INSIDE, UNKNOWN, OUTSIDE = 255, 128, 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Object:
    """An object on its crop of the image: its trimap (h, w), and what the network sees."""

    box: IntBox
    trimap: Alpha
    seen_hw: Size
    pixels: torch.Tensor

    @property
    def size_hw(self) -> Size:
        """Height and width of the crop."""
        return self.trimap.shape[0], self.trimap.shape[1]


class VitMatteMatter:
    """Mattes the object of a mask; what is far from the mask's edge stays as it is."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(VitMatteImageProcessor, weights)
        # In full floats: an alpha has eight bits, and a bfloat16 is no more precise.
        self._model = load_strictly(
            VitMatteForImageMatting, weights, device=self._device, dtype=torch.float32
        )
        self._at_once = images_that_fit(self._device, 3000)
        self._lock = threading.Lock()
        self._fitting = FittingSizes()

    @property
    def images_at_once(self) -> int:
        """How many images it takes together."""
        return self._at_once

    def matte(
        self, images: Sequence[Image], masks: Sequence[Mask | None], options: VitMatteOptions
    ) -> list[Alpha]:
        """Alpha (height, width) of each masked object."""
        required = [required_mask(mask) for mask in masks]
        objects = [
            self._object(image, mask, options) if mask.area else None
            for image, mask in zip(images, required, strict=True)
        ]
        uncertain = [
            matted for matted in objects if matted is not None and _is_uncertain(matted.trimap)
        ]
        alphas = iter(
            in_alike_batches(
                self._alphas,
                uncertain,
                self._at_once,
                lambda matted: matted.pixels.shape,
                self._fitting,
            )
        )
        return [
            _in_place(matted, alphas, image.size_hw)
            for matted, image in zip(objects, images, strict=True)
        ]

    def _object(self, image: Image, mask: Mask, options: VitMatteOptions) -> _Object:
        radius = band_radius(mask, options)
        # Twice the band, so that there is background which is surely that: of a strip thinner than
        # the band, `core` takes the inner half.
        reach = pixel_box(grow_box(mask.box_xyxy, 2 * radius + 2), image.size_hw)
        box = hull([around(mask), reach])
        trimap = _trimap(mask.crop(box), radius)
        rgb, known = _shrunk(image.rgb[box_slices(box)], trimap, options.longest_side)
        pictures = {"images": PIL.Image.fromarray(rgb), "trimaps": PIL.Image.fromarray(known)}
        pixels = self._processor(**pictures, return_tensors="pt")["pixel_values"]
        seen_hw = (known.shape[0], known.shape[1])
        return _Object(box=box, trimap=trimap, seen_hw=seen_hw, pixels=pixels)

    def _alphas(self, objects: Sequence[_Object]) -> list[Alpha]:
        """Alpha of each object on its crop; the network's input of all has one size."""
        pixels = torch.cat([matted.pixels for matted in objects]).to(self._device)
        with self._lock, torch.inference_mode(), quick_products(self._device):
            (alphas,) = on_host(self._model(pixel_values=pixels).alphas[:, 0])
        cropped = [
            alpha[: matted.seen_hw[0], : matted.seen_hw[1]]  # without the processor's padding
            for alpha, matted in zip(alphas, objects, strict=True)
        ]
        return [
            np.asarray(np.rint(_resized(alpha, matted.size_hw) * 255), np.uint8)
            for alpha, matted in zip(cropped, objects, strict=True)
        ]


def _trimap(mask: Pixels, radius: float) -> Alpha:
    trimap = np.full(mask.shape, UNKNOWN, np.uint8)
    trimap[core(mask, radius)] = INSIDE
    trimap[core(~mask, radius)] = OUTSIDE
    return trimap


def _is_uncertain(trimap: Alpha) -> bool:
    return bool((trimap == UNKNOWN).any())


def _shrunk(rgb: Rgb, trimap: Alpha, longest: int) -> tuple[Rgb, Alpha]:
    """Both with sides of at most `longest`. A pixel is known only if all of it was."""
    scale = longest / max(trimap.shape)
    if scale >= 1:
        return rgb, trimap
    height, width = (max(1, round(side * scale)) for side in trimap.shape)
    small = np.full((height, width), UNKNOWN, np.uint8)
    for known in (INSIDE, OUTSIDE):
        share = _resized((trimap == known).astype(np.uint8) * np.uint8(255), (height, width))
        small[share == 255] = known
    return _resized(rgb, (height, width)), small


def _resized(array: NDArray[Any], size_hw: Size) -> NDArray[Any]:
    if array.shape[:2] == size_hw:
        return array
    picture = PIL.Image.fromarray(array)
    return np.asarray(picture.resize(size_hw[::-1], PIL.Image.Resampling.BILINEAR))


def _in_place(matted: _Object | None, alphas: Iterator[Alpha], size_hw: Size) -> Alpha:
    """Alpha of the image: the next of `alphas` where the trimap is unknown, else the trimap."""
    whole = np.zeros(size_hw, np.uint8)
    if matted is not None:
        soft = next(alphas) if _is_uncertain(matted.trimap) else matted.trimap
        whole[box_slices(matted.box)] = np.where(matted.trimap == UNKNOWN, soft, matted.trimap)
    return whole
