"""What the tests of all detectors share: photos, and what makes two results the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from premask.images import Image, read_image
from premask.masks import Mask
from premask.prompts import Hint, Phrase, Prompts

Found = list[list[Hint]]
Floats = NDArray[np.float64]


def photos() -> list[Image]:
    """Five real photos; the first two share a size, the last is 3 pixels high, like channels."""
    astronaut = skimage.data.astronaut()
    views = [
        astronaut,
        np.ascontiguousarray(astronaut[:, ::-1]),
        skimage.data.chelsea(),
        skimage.data.coffee(),
        np.ascontiguousarray(astronaut[100:103, 100:400]),
    ]
    return [read_image(view, str(index)) for index, view in enumerate(views)]


def photos_of_three_sizes() -> list[Image]:
    """Photos of one shape, as of several cameras: what is resized to one size shares a batch."""
    coffee = skimage.data.coffee()
    views = [coffee, coffee[::2, ::2], coffee[50:350, 75:525]]
    return [
        Image.from_rgb(np.ascontiguousarray(view), name=str(index))
        for index, view in enumerate(views)
    ]


def pixels_seen_by(network: torch.nn.Module) -> list[torch.Tensor]:
    """A list that takes the pixels of each call of a network of transformers from now on."""
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(
        lambda _, arguments, named: seen.append(named["pixel_values"].clone()), with_kwargs=True
    )
    return seen


def asking(*texts: str) -> Prompts:
    return Prompts(phrases=tuple(Phrase(text=text) for text in texts))


def assert_same(
    found: Sequence[Hint],
    expected: Sequence[Hint],
    *,
    pixels: float = 0,
    score: float = 0,
    mask_pixels: int = 0,
) -> None:
    """The same labels in the same order; boxes, scores and masks within the tolerance."""
    assert [hint.label for hint in found] == [hint.label for hint in expected]
    for one, other in zip(found, expected, strict=True):
        assert _pixels_apart(one.mask, other.mask) <= mask_pixels
    np.testing.assert_allclose(_boxes(found), _boxes(expected), rtol=0, atol=pixels)
    np.testing.assert_allclose(_scores(found), _scores(expected), rtol=0, atol=score)


def assert_same_but_for_rounding(found: Sequence[Hint], expected: Sequence[Hint]) -> None:
    """Floats are added up in another order when more images, or words, share a batch.

    Of a mask of some 200,000 pixels, a few have a logit that is 0 but for the rounding.
    """
    assert_same(found, expected, pixels=1e-2, score=1e-4, mask_pixels=4)


def assert_differ(one: Sequence[Hint], other: Sequence[Hint], pixels: float = 1) -> None:
    """Another number of boxes, or boxes that are elsewhere."""
    assert one
    assert other
    assert len(one) != len(other) or np.abs(_boxes(one) - _boxes(other)).max() > pixels


def assert_on_image(found: Sequence[Hint], image: Image) -> None:
    height, width = image.size_hw
    for hint in found:
        assert hint.box_xyxy is not None
        x0, y0, x1, y1 = hint.box_xyxy
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


def assert_threads_do_not_mix(find: Callable[[int], Found], *, pixels: float = 0) -> None:
    """Call `find(0)` and `find(1)` in two threads at once: both give what they give alone."""
    expected = [find(index) for index in (0, 1)]
    results: dict[tuple[int, int], Found] = {}

    def work(index: int) -> None:
        for turn in range(3):
            results[index, turn] = find(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for (index, _), result in results.items():
        for found, alone in zip(result, expected[index], strict=True):
            assert_same(found, alone, pixels=pixels)


def distances(found: Sequence[Hint], expected: Sequence[Hint]) -> Floats:
    """How far (n,) the corners of each box are from the nearest expected one's, in pixels."""
    apart = np.abs(_boxes(found)[:, np.newaxis] - _boxes(expected))
    return np.asarray(apart.max(axis=-1).min(axis=1))


def finest_step(found: Sequence[Hint], beyond: float) -> float:
    """The smallest difference of two centers' x or y beyond so many pixels.

    bfloat16 has 128 numbers between the middle of an image and its end.
    """
    boxes = _boxes(found)
    centers = np.unique((boxes[:, :2] + boxes[:, 2:]) / 2)
    steps = np.diff(centers[centers > beyond])
    return float(steps[steps > 1e-4].min())


def drop_a_weight(source: Path, folder: Path, name_part: str) -> None:
    """Copy a checkpoint without the first weight whose name has this part."""
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in sorted(weights) if name_part in name))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _boxes(hints: Sequence[Hint]) -> Floats:
    return np.array([hint.box_xyxy for hint in hints], np.float64).reshape(-1, 4)


def _pixels_apart(one: Mask | None, other: Mask | None) -> int:
    """Pixels that are in one of the masks only."""
    if one is None or other is None:
        assert one is other
        return 0
    return one.difference(other).area + other.difference(one).area


def _scores(hints: Sequence[Hint]) -> Floats:
    """None becomes NaN, which equals itself here."""
    return np.array([hint.score for hint in hints], np.float64)
