"""Scores of classes at low resolution -> the class of every pixel -> hints."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from scipy import ndimage

from premask.masks import Mask, Size
from premask.models.categories import Names
from premask.prompts import Hint
from premask.refine import parts

Numbers = NDArray[np.int32]

BYTES = 2**28
"""Memory for scores at full size. All 150 classes of a photo of 12 megapixels would take 7 GB."""


def class_map(scores: torch.Tensor, size_hw: Size, *, antialias: bool = False) -> Numbers:
    """The number of the highest class of each pixel, from low-resolution scores (c, h, w)."""

    def at_full_size(some: slice) -> torch.Tensor:
        return enlarged(scores[some], size_hw, antialias=antialias)

    return np.asarray(winners(at_full_size, len(scores), size_hw).cpu().numpy())


def winners(scores: Callable[[slice], torch.Tensor], count: int, size_hw: Size) -> torch.Tensor:
    """Which of `count` is highest at each pixel (height, width), as int32.

    `scores` makes those of some of them (k, height, width), so that not all exist at once.
    """
    at_once = max(1, BYTES // (4 * size_hw[0] * size_hw[1]))
    best, numbers = scores(slice(0, at_once)).max(dim=0)
    for start in range(at_once, count, at_once):
        values, own = scores(slice(start, start + at_once)).max(dim=0)
        better = values > best
        best = torch.where(better, values, best)
        numbers = torch.where(better, own + start, numbers)
    return numbers.int()


def enlarged(maps: torch.Tensor, size_hw: Size, *, antialias: bool = False) -> torch.Tensor:
    """Maps (n, h, w) at full size (n, height, width), bilinear."""
    return F.interpolate(maps[None].float(), size_hw, mode="bilinear", antialias=antialias)[0]


def class_hints(
    numbers: Numbers, names: Names, wanted: Collection[int], *, instances: bool = False
) -> list[Hint]:
    """One hint a wanted class, or one a connected part, from the class of each pixel (h, w)."""
    size_hw = (numbers.shape[0], numbers.shape[1])
    hints = []
    for number, place in enumerate(ndimage.find_objects(numbers + 1)):
        if place is None or number not in wanted:
            continue
        rows, columns = place
        mask = Mask.from_crop(numbers[place] == number, (columns.start, rows.start), size_hw)
        for part in parts(mask) if instances else [mask]:
            hints.append(Hint(label=names[number], box_xyxy=part.box_xyxy, mask=part))
    return hints
