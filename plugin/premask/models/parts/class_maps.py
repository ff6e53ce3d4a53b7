"""Scores of classes at low resolution -> the class of every pixel -> hints."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from premask.masks import Size, masks_by_number
from premask.models.parts.categories import Names
from premask.models.parts.off_device import on_host
from premask.prompts import Hint
from premask.shaping.morphology import parts

Numbers = NDArray[np.int32]

ROUNDING = 1e-5
"""An enlarged score may differ by rounding, but by less than this share of the largest score."""


def class_map(scores: torch.Tensor, size_hw: Size, *, antialias: bool = False) -> Numbers:
    """The number of the highest class of each pixel, from low-resolution scores (c, h, w)."""
    scores = scores.float()
    (possible,) = on_host(_may_win(scores, size_hw))
    rivals = np.flatnonzero(possible).astype(np.int32)
    best = winners(
        lambda place: enlarged(scores[int(rivals[place])], size_hw, antialias=antialias),
        len(rivals),
    )
    return np.asarray(rivals[on_host(best)[0]])


def _may_win(scores: torch.Tensor, size_hw: Size) -> torch.Tensor:
    """Which classes (c,) may be the highest somewhere, once the scores (c, h, w) are enlarged.

    Enlarging is bilinear, so a pixel's score lies between those of the four places around it. A
    class whose highest of the four is below another's lowest can't win there. Of ADE20K's 150
    classes few can win anywhere, and the others need not be enlarged.
    """
    height, width = scores.shape[1:]
    if min(height, width) < 2 or size_hw[0] < height or size_hw[1] < width:
        return scores.new_ones(len(scores), dtype=torch.bool)
    lowest = _of_neighbors(scores, torch.minimum).amax(dim=0)
    rounding = ROUNDING * scores.abs().max()
    possible = _of_neighbors(scores, torch.maximum) >= lowest - rounding
    return possible.flatten(1).any(dim=1)


def _of_neighbors(maps: torch.Tensor, pick: Callable[..., torch.Tensor]) -> torch.Tensor:
    """The lowest or the highest (n, h - 1, w - 1) of four places each."""
    rows = pick(maps[:, :-1], maps[:, 1:])
    return pick(rows[..., :-1], rows[..., 1:])


def winners(scores: Callable[[int], torch.Tensor], count: int) -> torch.Tensor:
    """Which of `count` is highest at each pixel (height, width), as int32; the first of equals.

    `scores` computes those of one class (height, width) when it is called, so that no more than two
    are in memory: the scores of 150 classes of a photo of 12 megapixels would take 7 GB.
    """
    best = scores(0)
    numbers = torch.zeros(best.shape, dtype=torch.int32, device=best.device)
    for number in range(1, count):
        own = scores(number)
        numbers.masked_fill_(own > best, number)
        torch.maximum(best, own, out=best)
    return numbers


def enlarged(scores: torch.Tensor, size_hw: Size, *, antialias: bool = False) -> torch.Tensor:
    """A map (h, w) at full size (height, width), bilinear."""
    one = scores[None, None].float()
    return F.interpolate(one, size_hw, mode="bilinear", antialias=antialias)[0, 0]


def class_hints(
    numbers: Numbers, names: Names, wanted: Collection[int], *, instances: bool = False
) -> list[Hint]:
    """One hint for each wanted class, or for each of its connected parts, from numbers (h, w)."""
    return [
        Hint(label=names[number], box_xyxy=part.box_xyxy, mask=part)
        for number, mask in masks_by_number(numbers, wanted).items()
        for part in (parts(mask) if instances else [mask])
    ]
