"""Growing masks, against what people write: dilation in the full image, or one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.memory import peak_bytes
from benchmarks.table import Row, ratio_of
from premask.masks import Mask
from premask.shaping.morphology import grow

SIZE_HW = (3000, 4096)


def rows() -> Iterator[Row]:
    mask = objects(1)[0]
    pixels = mask.to_array()
    yield Row(
        what="grow(20) / scipy's distances in the full image",
        ratio=ratio_of(lambda: grow(mask, 20), lambda: by_distance(pixels, 20), 3),
        goal=10,
        note="one object of 300 px in 4096x3000",
    )
    yield Row(
        what="grow(200) / grow(20), for the pixels of their crops",
        ratio=ratio_of(lambda: grow(mask, 200), lambda: grow(mask, 20), 15) * (704 / 344) ** 2,
        goal=0.7,
        note="1 means that the cost follows the area, whatever the distance",
    )
    yield Row(
        what="memory of 100 objects in 4096x3000 / their pixels as arrays",
        ratio=100 * SIZE_HW[0] * SIZE_HW[1] / memory_of_objects(100),
        goal=100 * SIZE_HW[0] * SIZE_HW[1] / 50e6,
        note=f"{memory_of_objects(100) / 1e6:.1f} MB, decoding and growing included",
    )


def by_distance(pixels: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.distance_transform_edt(~pixels)) <= radius


def objects(count: int) -> list[Mask]:
    """Discs of 300 px all over the image."""
    rows, columns = np.ogrid[-150:150, -150:150]
    disc = rows**2 + columns**2 < 150**2
    return [
        Mask.from_crop(disc, (37 * index % 3700 + 40, 23 * index % 2600 + 40), SIZE_HW)
        for index in range(count)
    ]


def memory_of_objects(count: int) -> int:
    """How much more a process needs that makes and grows so many objects."""
    setup = "import sys; from benchmarks.refine import grow, objects\n"
    work = "grown = [grow(mask, 20) for mask in objects(int(sys.argv[1]))]\n"
    return peak_bytes(setup + work, str(count)) - peak_bytes(setup)
