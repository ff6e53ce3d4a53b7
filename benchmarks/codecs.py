"""Masks to bytes and back: against label_studio_sdk (brush), pycocotools (RLE) and PNG (mattes)."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterator

import numpy as np
import PIL.Image
import scipy.ndimage
import skimage.data
from label_studio_sdk.converter import brush as sdk
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from benchmarks.table import Row, print_table, ratio_of
from premask.labels import brush_rle
from premask.labels.coco_rle import matte_to_planes
from premask.masks import Alpha, Mask, Matte

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
    for size_hw in ((512, 512), (1080, 1920)):
        yield from size_rows(size_hw)


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


def size_rows(size_hw: tuple[int, int]) -> Iterator[Row]:
    """Print the table that is in docs/matte-in-coco.md."""
    mattes = {
        "feathered disc": feathered_disc(size_hw),
        "soft outlines of a photo": soft_photo(size_hw, 1 / 128, contrast=20),
        "very soft photo": soft_photo(size_hw, 1 / 64, contrast=2),
        "noise": np.random.default_rng(0).integers(0, 256, size_hw, np.uint8),
    }
    for name, alpha in mattes.items():
        planes = len(json.dumps(matte_to_planes(Matte.from_array(alpha))))
        packed, png = len(zlib.compress(alpha.tobytes(), 9)), len(png_bytes(alpha))
        yield Row(
            what=f"bytes of a PNG in JSON / eight RLEs: {name}, {size_hw[1]}x{size_hw[0]}",
            ratio=in_base64(png) / planes,
            note=f"RLEs {planes:,}; PNG in base64 {in_base64(png):,}, as a file {png:,}; "
            f"zlib in base64 {in_base64(packed):,}",
        )


def feathered_disc(size_hw: tuple[int, int]) -> Alpha:
    y, x = np.ogrid[: size_hw[0], : size_hw[1]]
    distance = np.hypot(y - size_hw[0] / 2, x - size_hw[1] / 2) - size_hw[0] / 3
    return np.clip(128 - 8 * distance, 0, 255).astype(np.uint8)


def soft_photo(size_hw: tuple[int, int], blur: float, contrast: float) -> Alpha:
    """A matte of what is bright in a photo, with edges as soft as those of a matting model."""
    photo = PIL.Image.fromarray(skimage.data.camera()).resize(size_hw[::-1])
    gray = scipy.ndimage.gaussian_filter(np.asarray(photo, np.float64), blur * size_hw[0])
    return np.clip(128 + contrast * (gray - 128), 0, 255).astype(np.uint8)


def png_bytes(alpha: Alpha) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(alpha).save(file, "PNG", optimize=True)
    return file.getvalue()


def in_base64(size: int) -> int:
    """How many bytes so many bytes take in JSON, written in base 64."""
    return len(base64.b64encode(bytes(size)))


if __name__ == "__main__":
    print_table(rows())
