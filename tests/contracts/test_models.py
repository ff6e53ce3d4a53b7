"""What every model promises: each entry of the catalog that needs no hub, each family that does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from premask.errors import MissingWeights
from premask.images import Image
from premask.masks import Mask
from premask.models.capabilities import Finder, Matter, Restorer, Segmenter
from premask.models.catalog import checkpoint_of, known_models
from premask.models.embeddings import EmbeddingCache
from premask.models.pool import ModelPool
from premask.models.registry import FAMILIES, Stage
from premask.models.weights.installed import installed_weights
from premask.prompts import BoxPrompt, Hint, Phrase, Prompts
from premask.settings import settings_of
from tests.tiny import LOOSE, TinyModels, hub_families

OFFLINE = [name for name, entry in known_models().items() if entry.family not in hub_families()]
STAGES: dict[str, tuple[Stage, ...]] = {
    **{name: checkpoint_of(name).stages for name in OFFLINE},
    **{family: FAMILIES[family].stages for family in hub_families()},
}
BY_STAGE = {
    stage: [model for model, stages in STAGES.items() if stage in stages]
    for stage in ("find", "outline", "matte")
}
FACE = (170, 60, 280, 220)


class Pool(ModelPool):
    """Models by the name of their catalog entry, or tiny ones by the name of their family."""

    def __init__(self, tiny: TinyModels) -> None:
        # What is remembered of an image would hide what the model makes of it.
        super().__init__(device="cpu", embeddings=EmbeddingCache(memory_bytes=0))
        self._tiny = tiny

    def name_of(self, model: str) -> str:
        return self._tiny[model] if model in hub_families() else model

    def finder(self, name: str) -> Finder:
        return super().finder(self.name_of(name))

    def segmenter(self, name: str) -> Segmenter:
        return super().segmenter(self.name_of(name))

    def matter(self, name: str) -> Matter:
        return super().matter(self.name_of(name))


@pytest.fixture(scope="module")
def pool(u2netp_weights: object, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return Pool(TinyModels(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def images(astronaut: NDArray[np.uint8]) -> list[Image]:
    """Three different pictures of two sizes."""
    crop = np.ascontiguousarray(astronaut[:300, 100:420])
    views = [astronaut, crop, np.ascontiguousarray(astronaut[:, ::-1])]
    return [
        Image.from_rgb(rgb, name=str(index), digest=str(index)) for index, rgb in enumerate(views)
    ]


def family_of(model: str) -> str:
    return checkpoint_of(model).family if model in OFFLINE else model


def options_of(model: str, stage: Stage) -> Any:
    options_type = FAMILIES[family_of(model)].options_type(stage)
    loose = {name: LOOSE[name] for name in settings_of(options_type) if name in LOOSE}
    return replace(options_type(), **loose)


def prompts_for(model: str) -> Prompts:
    listens = FAMILIES[family_of(model)].prompts
    return Prompts(
        phrases=(Phrase(text="a face"), Phrase(text="flag")) if "phrases" in listens else ()
    )


def find(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    prompts = [prompts_for(name)] * len(images)
    return list(pool.finder(name).find(images, prompts, options_of(name, "find")))


def outline(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    model = pool.segmenter(name)
    hints = [Prompts(boxes=(BoxPrompt(box_xyxy=FACE),)).hints()] * len(images)
    return list(model.segment(model.embed(images), hints, options_of(name, "outline")))


def matte(pool: ModelPool, name: str, images: list[Image]) -> list[Any]:
    masks = [square(image) for image in images]
    return list(pool.matter(name).matte(images, masks, options_of(name, "matte")))


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

EDGE = 3
"""Pixels of a mask that may fall on the other side of its edge."""


def same(one: Any, other: Any) -> bool:
    """Words are the same; numbers and edges are, but for the order in which floats were added."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-3 * max(1.0, abs(one))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mask) and isinstance(other, Mask):
        return bool(one.difference(other).area + other.difference(one).area <= EDGE)
    if hasattr(one, "__slots__"):
        return all(same(getattr(one, slot), getattr(other, slot)) for slot in one.__slots__)
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
    model = pool.segmenter(name)
    hint = Hint(label="x", box_xyxy=FACE)
    hints: list[tuple[Hint, ...]] = [(), (hint,), (hint,) * 3]
    outlines = model.segment(model.embed(images), hints, options_of(name, "outline"))
    assert [len(of_image) for of_image in outlines] == [0, 1, 3]
    for image, of_image in zip(images, outlines, strict=True):
        assert all(outline.mask.size_hw == image.size_hw for outline in of_image)
        assert all(outline.score is None or 0 <= outline.score <= 1 for outline in of_image)


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


@pytest.mark.parametrize("name", [*BY_STAGE["find"], *BY_STAGE["outline"]])
def test_an_embedding_survives_the_disk(pool: Pool, images: list[Image], name: str) -> None:
    model = pool.load(pool.name_of(name))
    if not isinstance(model, Restorer):
        return
    (embedding,) = model.embed(images[:1])
    restored = model.restore(embedding.to_bytes())
    assert restored.to_bytes() == embedding.to_bytes()
    assert restored.nbytes == embedding.nbytes
    with pytest.raises(ValueError, match="no embedding"):
        model.restore(b"something else")


@pytest.mark.parametrize("family", hub_families())
def test_weights_that_do_not_fit_are_refused(
    tmp_path_factory: pytest.TempPathFactory, family: str
) -> None:
    """A weight that is missing would silently be a random number."""
    tiny = TinyModels(tmp_path_factory.mktemp("broken"))
    name = tiny[family]
    path = installed_weights(checkpoint_of(name))
    assert path is not None
    without_one_weight(path)
    with pytest.raises(MissingWeights):
        ModelPool(device="cpu").load(name)


def without_one_weight(path: Path) -> None:
    if path.is_dir():
        from safetensors.numpy import load_file, save_file

        weights = load_file(path / "model.safetensors")
        weights.pop(sorted(weights)[len(weights) // 2])
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", known_models())
def test_every_entry_has_a_family_a_license_and_a_home(name: str) -> None:
    entry = known_models()[name]
    assert entry.family in FAMILIES
    assert entry.license
    assert entry.homepage.startswith("https://")
    assert entry.help[0].isupper()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_checkpoint(family: str) -> None:
    assert any(checkpoint.family == family for checkpoint in known_models().values()), (
        f"models/catalog.toml has no checkpoint of the family '{family}'. Add an entry with a "
        "family, a license, a homepage and weights, so that a recipe can name one."
    )
