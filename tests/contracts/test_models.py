"""What every model of the catalog promises; a new entry is tested by being there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.images import Image
from premask.masks import Mask
from premask.models.catalog import catalog
from premask.models.pool import ModelPool
from premask.models.registry import FAMILIES, Stage
from premask.prompts import BoxPrompt, Hint, Prompts

BY_STAGE = {
    stage: [name for name, each in catalog().items() if stage in each.stages]
    for stage in ("find", "outline", "matte")
}
FACE = (170, 60, 280, 220)


@pytest.fixture(scope="module")
def pool(u2netp_weights: object) -> ModelPool:
    return ModelPool()


@pytest.fixture(scope="module")
def images(astronaut: NDArray[np.uint8]) -> list[Image]:
    """Three different pictures of two sizes."""
    crop = np.ascontiguousarray(astronaut[:300, 100:420])
    views = [astronaut, crop, np.ascontiguousarray(astronaut[:, ::-1])]
    return [
        Image.from_rgb(rgb, name=str(index), digest=str(index)) for index, rgb in enumerate(views)
    ]


def options_of(name: str, stage: Stage) -> Any:
    return catalog()[name].kind.options_for(stage)()


def find(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    return list(pool.get(name).find(images, [Prompts()] * len(images), options_of(name, "find")))


def outline(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    model = pool.get(name)
    hints = [Prompts(boxes=(BoxPrompt(box_xyxy=FACE),)).hints()] * len(images)
    return list(model.segment(model.embed(images), hints, options_of(name, "outline")))


def matte(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    masks = [square(image) for image in images]
    return list(pool.get(name).matte(images, masks, options_of(name, "matte")))


def square(image: Image) -> Mask:
    pixels = np.zeros(image.size_hw, np.bool_)
    pixels[60:220, 100:250] = True
    return Mask.from_array(pixels)


RUNS: dict[str, Callable[[ModelPool, str, list[Image]], list[Any]]] = {
    "find": find,
    "outline": outline,
    "matte": matte,
}
CASES = [(stage, name) for stage, names in BY_STAGE.items() for name in names]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


@pytest.mark.parametrize(("stage", "name"), CASES)
def test_one_result_for_each_image_whatever_the_batch(
    pool: ModelPool, images: list[Image], stage: str, name: str
) -> None:
    together = RUNS[stage](pool, name, images)
    alone = [RUNS[stage](pool, name, [image])[0] for image in images]
    assert len(together) == len(images)
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize(("stage", "name"), CASES)
def test_two_threads_do_not_mix(
    pool: ModelPool, images: list[Image], stage: str, name: str
) -> None:
    expected = [RUNS[stage](pool, name, [image])[0] for image in images[:2]]
    results: dict[tuple[int, int], Any] = {}

    def work(index: int) -> None:
        for turn in range(2):
            results[index, turn] = RUNS[stage](pool, name, [images[index]])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(same(result, expected[index]) for (index, _), result in results.items())


@pytest.mark.parametrize("name", BY_STAGE["find"])
def test_what_is_found_lies_in_the_image(pool: ModelPool, images: list[Image], name: str) -> None:
    for image, hints in zip(images, find(pool, name, images), strict=True):
        height, width = image.size_hw
        for hint in hints:
            x0, y0, x1, y1 = hint.box_xyxy
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            assert hint.label
            assert hint.score is None or 0 <= hint.score <= 1
            assert hint.mask is None or hint.mask.size_hw == image.size_hw


@pytest.mark.parametrize("name", BY_STAGE["outline"])
def test_k_hints_give_k_outlines(pool: ModelPool, images: list[Image], name: str) -> None:
    model = pool.get(name)
    hints = [(), (Hint(label="x", box_xyxy=FACE),), (Hint(label="x", box_xyxy=FACE),) * 3]
    outlines = model.segment(model.embed(images), hints, options_of(name, "outline"))
    assert [len(each) for each in outlines] == [0, 1, 3]
    for image, each in zip(images, outlines, strict=True):
        assert all(shape.mask.size_hw == image.size_hw for shape in each)
        assert all(shape.score is None or 0 <= shape.score <= 1 for shape in each)


@pytest.mark.parametrize("name", BY_STAGE["matte"])
def test_alpha_has_the_size_of_its_image(pool: ModelPool, images: list[Image], name: str) -> None:
    for image, alpha in zip(images, matte(pool, name, images), strict=True):
        assert alpha.shape == image.size_hw
        assert alpha.dtype == np.uint8


@pytest.mark.parametrize(("stage", "name"), CASES)
def test_another_image_gives_another_result(
    pool: ModelPool, images: list[Image], stage: str, name: str
) -> None:
    """Without this, a model that ignores its input would pass all tests above."""
    one, _, mirrored = RUNS[stage](pool, name, images)
    assert not same(one, mirrored)


@pytest.mark.parametrize("name", catalog())
def test_every_entry_has_a_family_a_licence_and_a_home(name: str) -> None:
    entry = catalog()[name]
    assert entry.family in FAMILIES
    assert entry.license
    assert entry.homepage.startswith("https://")
    assert entry.help[0].isupper()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_checkpoint(family: str) -> None:
    assert any(each.family == family for each in catalog().values())
