"""Masks to bytes and back: against label_studio_sdk (brush) and against pycocotools (RLE)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from label_studio_sdk.converter import brush as sdk
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from benchmarks.table import Row, print_table, ratio_of
from premask.labels import brush_rle
from premask.masks import Mask

LARGE_HW = (3000, 4096)
Pixels = NDArray[np.bool_]


def rows() -> Iterator[Row]:
    large = disc(LARGE_HW, 1400)
    small = disc(LARGE_HW, 150)
    noise = np.random.default_rng(0).random((1080, 1920)) < 0.5
    yield from brush_rows("50% noise, 1080p", noise, goal=10, repeats=3)
    yield from brush_rows("disc, 4096x3000", large, goal=1, repeats=7)
    yield from coco_rows("disc, 4096x3000", large, goal=1)
    yield from coco_rows("300 px object in 4096x3000", small, goal=1)
    yield from coco_rows("50% noise, 1080p", noise, goal=None)


def disc(size_hw: tuple[int, int], radius: float) -> Pixels:
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    inside: Pixels = np.hypot(y - size_hw[0] / 2, x - size_hw[1] / 2) < radius
    return inside


def brush_rows(name: str, pixels: Pixels, goal: float, repeats: int) -> Iterator[Row]:
    mask, alpha = Mask.from_array(pixels), pixels.astype(np.uint8) * 255
    data = brush_rle.encode(mask)
    yield Row(
        what=f"brush encode / label_studio_sdk: {name}",
        ratio=ratio_of(lambda: brush_rle.encode(mask), lambda: sdk.mask2rle(alpha), repeats),
        goal=goal,
        note=f"{len(data):,} bytes",
    )
    yield Row(
        what=f"brush decode / label_studio_sdk: {name}",
        ratio=ratio_of(
            lambda: brush_rle.decode(data, mask.size_hw), lambda: sdk.decode_rle(data), repeats
        ),
        goal=goal,
    )


def coco_rows(name: str, pixels: Pixels, goal: float | None) -> Iterator[Row]:
    alpha, mask = pixels.astype(np.uint8), Mask.from_array(pixels)
    columns, data = np.asfortranarray(alpha), mask.rle
    yield Row(
        what=f"COCO encode / pycocotools: {name}",
        ratio=ratio_of(
            lambda: Mask.from_array(pixels),
            lambda: coco_mask.encode(np.asfortranarray(alpha)),
            9,
        ),
        goal=goal,
        note="pixels in rows, as models and readers give them",
    )
    yield Row(
        what=f"COCO encode / pycocotools: {name}",
        ratio=ratio_of(lambda: Mask.from_array(pixels), lambda: coco_mask.encode(columns), 9),
        note="pycocotools gets its pixels in columns already, we don't",
    )
    yield Row(
        what=f"COCO decode / pycocotools: {name}",
        ratio=ratio_of(lambda: mask.to_array(), lambda: coco_mask.decode(data), 9),
        goal=goal,
        note="all pixels of the image",
    )
    yield Row(
        what=f"COCO decode / pycocotools: {name}",
        ratio=ratio_of(lambda: mask.crop(), lambda: coco_mask.decode(data), 9),
        goal=goal,
        note="the object's box, which is what premask's stages and writers work on",
    )


if __name__ == "__main__":
    print_table(rows())
