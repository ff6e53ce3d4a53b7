"""The one way off a device: many values by one copy, for which the host waits once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from premask.masks import Mask, Size

Item = TypeVar("Item")

Crop = tuple[torch.Tensor, tuple[int, int], Size]
"""Boolean pixels (h, w), where in the image their corner (x, y) is, and the size of the image."""

TOGETHER_BYTES = 2**27
"""How much leaves a device at once, and a little more: masks of 60 whole images of 1080p. What is
beyond it comes later, so that it need not all be in memory together."""


def on_host(*tensors: torch.Tensor) -> list[NDArray[Any]]:
    """The values of each tensor, as an array of its shape and type.

    Each copy makes the host wait for all that the device has to do, so what is wanted at the same
    time is asked for together.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return [tensor.numpy() for tensor in tensors]
    # A copy that does not block goes into pinned memory, which is twice as fast.
    packed = _packed(tensors).to("cpu", non_blocking=True)
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return _unpacked(packed.numpy(), tensors)


def of_host(tensor: torch.Tensor) -> NDArray[Any]:
    """The values of a tensor that was made on the host, so that nobody waits."""
    assert tensor.device.type == "cpu"
    values: NDArray[Any] = tensor.numpy()
    return values


def above(values: torch.Tensor, level: float) -> torch.Tensor:
    """Which values are above the level. On a CPU, numpy tells several times faster than torch."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy() > level)
    return values > level


def count(flags: torch.Tensor) -> torch.Tensor:
    """How many are true, as a tensor () that need not leave the device yet."""
    if flags.device.type == "cpu":
        return torch.tensor(np.count_nonzero(flags.numpy()))
    return flags.sum()


def any_along(flags: torch.Tensor, axis: int) -> torch.Tensor:
    """The same as `flags.any(axis)`, which torch takes fifty times as long for on a CPU."""
    if not flags.shape[axis]:
        return flags.any(axis)
    return flags.view(torch.uint8).amax(axis).view(torch.bool)


def masks_on_host(crops: Iterable[Crop]) -> Iterator[Mask]:
    """The mask of each crop."""
    for group in _groups(crops, lambda crop: crop[0].nbytes):
        arrays = on_host(*(pixels for pixels, _, _ in group))
        for array, (_, xy, size_hw) in zip(arrays, group, strict=True):
            yield Mask.from_crop(array, xy, size_hw)


def crops_of(images: Iterable[torch.Tensor]) -> Iterator[Crop]:
    """The crop that holds all that is true, of boolean images (height, width)."""
    for group in _groups(images, lambda pixels: pixels.nbytes):
        sides = on_host(*(any_along(pixels, axis) for pixels in group for axis in (1, 0)))
        for pixels, rows, columns in zip(group, sides[::2], sides[1::2], strict=True):
            (top, bottom), (left, right) = span(rows), span(columns)
            height, width = pixels.shape
            yield pixels[top:bottom, left:right], (left, top), (height, width)


def span(wanted: NDArray[np.bool_]) -> tuple[int, int]:
    """The first place (n,) that is wanted, and the one behind the last; (0, 0) if none is."""
    places = np.flatnonzero(wanted)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _groups(items: Iterable[Item], nbytes: Callable[[Item], int]) -> Iterator[list[Item]]:
    """The items in lists of at least `TOGETHER_BYTES`, but for the last one."""
    group, total = [], 0
    for item in items:
        group.append(item)
        total += nbytes(item)
        if total >= TOGETHER_BYTES:
            yield group
            group, total = [], 0
    if group:
        yield group


def _packed(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The bytes (n,) of all tensors, one behind the other."""
    return torch.cat([tensor.reshape(-1).view(torch.uint8) for tensor in tensors])


def _unpacked(packed: NDArray[np.uint8], like: Sequence[torch.Tensor]) -> list[NDArray[Any]]:
    """Undo `_packed`, for tensors like these."""
    ends = np.cumsum([tensor.nbytes for tensor in like])
    types = [torch.empty(0, dtype=tensor.dtype).numpy().dtype for tensor in like]
    return [
        part.view(dtype).reshape(tuple(tensor.shape))
        for part, dtype, tensor in zip(np.split(packed, ends[:-1]), types, like, strict=True)
    ]
