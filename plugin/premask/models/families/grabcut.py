"""GrabCut (Rother, Kolmogorov, Blake 2004): an outline from clicks, a box or a rough mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, IntBox, box_area, box_slices, clip_box, grow_box, pixel_box
from premask.images import Image, Rgb
from premask.masks import Mask
from premask.models.capabilities import Outline
from premask.models.options import GrabcutOptions
from premask.models.parts.trimap import CONNECTED, Pixels, Places, core, nearer_by_color
from premask.prompts import Hint, Point

Labels = NDArray[np.uint8]

MOST_PIXELS = 80_000
"""A cut of so many takes about half a second; a larger object is cut at a smaller size."""

CLICK_PIXELS = 200**2
"""The size to which the image is shrunk when a first region is grown from clicks."""

LEAST_MARGIN = 8
"""So many pixels around the object are looked at, however small it is: their colors are learned."""

CLICK_RADIUS = 2
"""So many pixels around a click count as clicked, as a hand is no more precise."""


class GrabcutSegmenter:
    """Cuts an object out where its colors end; GrabCut does not know how sure it is: no score."""

    def __init__(self, *, weights: Path | None, device: str) -> None:
        """An algorithm needs neither weights nor a device."""

    def embed(self, images: Sequence[Image]) -> list[Image]:
        """The images themselves: there is nothing to compute beforehand."""
        return list(images)

    def segment(
        self,
        embeddings: Sequence[Image],
        hints: Sequence[Sequence[Hint]],
        options: GrabcutOptions,
    ) -> list[list[Outline]]:
        """One outline for each hint of each image, in order."""
        return [
            [Outline(mask=_outlined(image, hint, options)) for hint in hints_of_image]
            for image, hints_of_image in zip(embeddings, hints, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A hint in whole pixels. Positive and negative clicks are (n, 2) of rows and columns."""

    inside: Places
    outside: Places
    box: Mask | None
    rough: Mask | None


def _outlined(image: Image, hint: Hint, options: GrabcutOptions) -> Mask:
    request = _request(hint, image.size_hw)
    likely = _likely(request, image.rgb)
    around = _around(request, likely, options.margin)
    rgb = _shrunk(image.rgb[box_slices(around)], MOST_PIXELS)
    labels = _labels(request, likely, around, (rgb.shape[0], rgb.shape[1]))
    cut = _cut(rgb, labels, options.iterations)
    if request.box is None and request.rough is None:
        cut = _parts_at(cut, _scaled(request.inside, around, cut.shape))
    return _finished(cut, request, around, image.size_hw)


def _request(hint: Hint, size_hw: tuple[int, int]) -> _Request:
    request = _Request(
        inside=_places(hint.points, True, size_hw),
        outside=_places(hint.points, False, size_hw),
        box=_box_mask(hint.box_xyxy, size_hw),
        rough=_checked_mask(hint.mask, size_hw),
    )
    if request.box is None and request.rough is None and not len(request.inside):
        raise UnsupportedPrompt(
            "GrabCut needs to know where the object is: add a positive point, a box or a mask."
        )
    if {*map(tuple, request.inside)} & {*map(tuple, request.outside)}:
        raise UnsupportedPrompt(
            "A positive and a negative point are on the same pixel. Remove one of them."
        )
    return request


def _places(points: Sequence[Point], positive: bool, size_hw: tuple[int, int]) -> Places:
    height, width = size_hw
    places = [(point.y, point.x) for point in points if point.positive == positive]
    for y, x in places:
        if not (0 <= x <= width and 0 <= y <= height):
            raise UnsupportedPrompt(
                f"The point ({x:g}, {y:g}) is not on the image of {width} x {height} pixels. "
                "Points are x, y in pixels of the upright image."
            )
    corner = [height - 1, width - 1]
    return np.minimum(np.array(places, np.float64).reshape(-1, 2), corner).astype(np.int64)


def _box_mask(box_xyxy: Box | None, size_hw: tuple[int, int]) -> Mask | None:
    if box_xyxy is None:
        return None
    if not box_area(clip_box(box_xyxy, size_hw)):
        raise UnsupportedPrompt(
            f"The box {box_xyxy} covers no pixel of the image of {size_hw[1]} x {size_hw[0]}. "
            "Boxes are x0, y0, x1, y1 in pixels of the upright image."
        )
    x0, y0, x1, y1 = pixel_box(box_xyxy, size_hw)
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), size_hw)


def _checked_mask(mask: Mask | None, size_hw: tuple[int, int]) -> Mask | None:
    if mask is not None and mask.size_hw != size_hw:
        raise UnsupportedPrompt(
            f"The rough mask is for an image of {mask.size_hw[1]} x {mask.size_hw[0]} pixels, "
            f"but this one has {size_hw[1]} x {size_hw[0]}. Send the mask of this image."
        )
    return mask if mask is not None and mask.area else None


def _likely(request: _Request, rgb: Rgb) -> Mask:
    """The pixels that probably belong to the object."""
    if request.rough is None:
        return request.box or _clicked(request, rgb)
    if request.box is None:
        return request.rough
    both = request.rough.intersection(request.box)
    if not both.area:
        raise UnsupportedPrompt("The rough mask lies outside the box. Remove one of them.")
    return both


def _clicked(request: _Request, rgb: Rgb) -> Mask:
    """The pixels that are nearer, along even colors, to positive points than to negative ones."""
    size_hw = (rgb.shape[0], rgb.shape[1])
    small = _shrunk(rgb, CLICK_PIXELS)
    colors = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    whole = (0, 0, size_hw[1], size_hw[0])
    inside, outside = (
        _scaled(places, whole, small.shape) for places in (request.inside, request.outside)
    )
    region = nearer_by_color(colors.astype(np.float64), inside, outside)
    return Mask.from_array(_enlarged(region, size_hw))


def _around(request: _Request, likely: Mask, margin: float) -> IntBox:
    """The part of the image that is looked at."""
    boxes = [mask.box_xyxy for mask in (likely, request.box) if mask is not None and mask.area]
    boxes += [(x, y, x + 1, y + 1) for y, x in request.inside.tolist()]
    x0, y0 = np.min(boxes, axis=0)[:2].tolist()
    x1, y1 = np.max(boxes, axis=0)[2:].tolist()
    grown = grow_box((x0, y0, x1, y1), max(LEAST_MARGIN, margin * max(x1 - x0, y1 - y0)))
    return pixel_box(grown, likely.size_hw)


def _labels(request: _Request, likely: Mask, around: IntBox, size_hw: tuple[int, int]) -> Labels:
    """OpenCV's labels of the (shrunk) crop's pixels: surely or probably object or background."""
    inside = _touched(likely.crop(around), size_hw)
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    if request.rough is not None:
        labels[core(inside, np.inf)] = cv2.GC_FGD
    if request.box is not None:
        labels[~_touched(request.box.crop(around), size_hw)] = cv2.GC_BGD
    radius = min(CLICK_RADIUS, min(size_hw) // 50)
    for places, label in ((request.outside, cv2.GC_BGD), (request.inside, cv2.GC_FGD)):
        for y, x in _scaled(places, around, size_hw).tolist():
            cv2.circle(labels, (x, y), radius, label, cv2.FILLED)
    return labels


def _cut(rgb: Rgb, labels: Labels, iterations: int) -> Pixels:
    """The pixels of the object. Where all labels are of one side there is nothing to cut."""
    if not _background(labels).any():
        labels = _with_rim(labels)
    background = _background(labels)
    if background.any() and not background.all():
        # Where the clusters of colors start is random; OpenCV keeps one generator a thread.
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(rgb, labels, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    return ~_background(labels)


def _background(labels: Labels) -> Pixels:
    return np.asarray((labels == cv2.GC_BGD) | (labels == cv2.GC_PR_BGD))


def _with_rim(labels: Labels) -> Labels:
    """The labels with a rim that is probably background, if the crop is large enough for one."""
    if min(labels.shape) < 3:
        return labels
    rim = labels == cv2.GC_PR_FGD
    rim[1:-1, 1:-1] = False
    return np.where(rim, np.uint8(cv2.GC_PR_BGD), labels)


def _parts_at(pixels: Pixels, places: Places) -> Pixels:
    """The connected parts that were clicked on."""
    parts, _ = ndimage.label(pixels, CONNECTED)
    return np.isin(parts, parts[tuple(places.T)]) & pixels


def _finished(cut: Pixels, request: _Request, around: IntBox, size_hw: tuple[int, int]) -> Mask:
    """The mask in the full image, which keeps to the box and to the clicks exactly."""
    x0, y0, x1, y1 = around
    pixels = _enlarged(cut, (y1 - y0, x1 - x0))
    if request.box is not None:
        pixels &= request.box.crop(around)
    pixels[tuple((request.inside - (y0, x0)).T)] = True
    mask = Mask.from_crop(pixels, (x0, y0), size_hw)
    refused = np.zeros(size_hw, np.bool_)
    refused[tuple(request.outside.T)] = True
    return mask.difference(Mask.from_array(refused))


def _scaled(places: Places, around: IntBox, shape: tuple[int, ...]) -> Places:
    """Pixels of the image as pixels of its shrunk crop, which may lie beside it."""
    x0, y0, x1, y1 = around
    centers = places + 0.5 - (y0, x0)
    return np.floor(centers * shape[:2] / (y1 - y0, x1 - x0)).astype(np.int64)


def _shrunk(rgb: Rgb, most_pixels: int) -> Rgb:
    height, width = rgb.shape[:2]
    share = (most_pixels / (height * width)) ** 0.5
    if share >= 1:
        return np.ascontiguousarray(rgb)
    size_wh = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _touched(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """The mask at a smaller size. A pixel counts if any part of it does, so thin things stay."""
    shares = cv2.resize(pixels.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(shares > 0)


def _enlarged(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    shares = cv2.resize(pixels.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(shares >= 0.5)
