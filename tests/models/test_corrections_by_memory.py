"""With a model that remembers, too, a correction and a resumed run are exact."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from premask import Annotation, Hint, Labeled, Mask, ModelPool, Prompts, track
from tests.clips import write_clip
from tests.tiny import TinyModels

SIZE_HW, COUNT = (64, 96), 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE_HW[0], 2 * SIZE_HW[1], 3), np.uint8)
    frames = [
        np.ascontiguousarray(noise[:, 3 * number : 3 * number + SIZE_HW[1]])
        for number in range(COUNT)
    ]
    return write_clip(tmp_path_factory.mktemp("clip") / "noise.mp4", frames)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return TinyModels(tmp_path_factory.mktemp("tiny")).tracking("sam2")


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool(device="cpu")


def block(x: int) -> Mask:
    return Mask.from_crop(np.ones((24, 24), np.bool_), (x, 20), SIZE_HW)


def fixed(**frames: int) -> dict[int, Prompts]:
    """A block at x in frames, such as f0=10."""
    return {
        int(name[1:]): Prompts(objects=(Hint(label="block", track=1, mask=block(x)),))
        for name, x in frames.items()
    }


def found(frames: list[Labeled]) -> list[tuple[Annotation, ...]]:
    return [labeled.annotations for labeled in frames]


def test_a_correction_is_exact_and_what_it_leaves_alone_is_reused(
    clip: Path, model: str, tmp_path: Path, pool: ModelPool
) -> None:
    def run(prompts: dict[int, Prompts], folder: Path | None = None) -> list[Labeled]:
        settings = {"track.model": model}
        return list(
            track(clip, "follow-sam2", settings=settings, prompts=prompts, pool=pool, folder=folder)
        )

    before = found(run(fixed(f0=10, f6=30), tmp_path))
    after = found(run(fixed(f0=10, f3=50, f6=30), tmp_path))
    assert after[:3] == before[:3]
    assert after[6:] == before[6:]
    assert after[3:6] != before[3:6]
    assert after == found(run(fixed(f0=10, f3=50, f6=30)))


@pytest.mark.parametrize("done", [1, 4, 7])
def test_it_goes_on_where_it_was_stopped(
    clip: Path, model: str, tmp_path: Path, pool: ModelPool, done: int
) -> None:
    def stream(folder: Path | None) -> Generator[Labeled, None, None]:
        settings = {"track.model": model}
        return track(
            clip, "follow-sam2", settings=settings, prompts=fixed(f2=10), pool=pool, folder=folder
        )

    stopped = stream(tmp_path)
    assert len(list(islice(stopped, done))) == done
    stopped.close()
    assert found(list(stream(tmp_path))) == found(list(stream(None)))
