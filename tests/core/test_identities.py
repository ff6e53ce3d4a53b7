"""What an embedding is kept under: no two images share it, nor any two models."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from premask.errors import MissingWeights
from premask.images import Image, read_image
from premask.models import pool
from premask.models.pool import ModelPool
from premask.models.weights import content
from premask.models.weights.content import content_identity

Pixels = NDArray[np.uint8]

# Few sizes and few values: what is drawn has often the same bytes, or is often equal.
SMALL = st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3))
PIXELS = arrays.arrays(np.uint8, SMALL, elements=st.integers(0, 1), fill=st.just(0))
DIGESTS = st.sampled_from(["", "a", "a(0, 0, 1, 1)", "('part', 'a', (0, 0, 1, 1))"])


def same_pixels(one: Image, other: Image) -> bool:
    return one.size_hw == other.size_hw and bool((one.rgb == other.rgb).all())


@given(PIXELS, PIXELS)
def test_images_without_a_digest_share_an_identity_if_their_pixels_are_equal(
    one: Pixels, other: Pixels
) -> None:
    first, second = (Image.from_rgb(rgb, name="frame") for rgb in (one, other))
    assert (first.identity == second.identity) == same_pixels(first, second)


@given(PIXELS, PIXELS)
def test_so_do_images_that_were_read(one: Pixels, other: Pixels) -> None:
    for read in (read_image, lambda rgb: read_image(PIL.Image.fromarray(rgb))):
        first, second = read(one), read(other)
        assert (first.digest == second.digest) == same_pixels(first, second)
        assert (first.identity == second.identity) == same_pixels(first, second)


def test_a_picture_and_the_same_bytes_on_their_side_are_two(astronaut: Pixels) -> None:
    upright = np.ascontiguousarray(astronaut[:100, :200])
    for read in (read_image, lambda rgb: Image.from_rgb(rgb, name="")):
        assert read(upright).identity != read(upright.reshape(200, 100, 3)).identity


@given(st.data(), DIGESTS, PIXELS, PIXELS)
def test_parts_of_images_share_an_identity_if_they_are_the_same_part(
    data: st.DataObject, digest: str, one: Pixels, other: Pixels
) -> None:
    images = [Image.from_rgb(rgb, name="", digest=digest) for rgb in (one, other)]
    parts = [image.cropped(data.draw(boxes(image))) for image in images]
    if not same_pixels(*parts):
        assert parts[0].identity != parts[1].identity
    inner = parts[0].cropped((0, 0, 1, 1))
    assert inner.identity != parts[1].identity or same_pixels(inner, parts[1])


def boxes(image: Image) -> st.SearchStrategy[tuple[int, int, int, int]]:
    height, width = image.size_hw
    across = st.tuples(st.integers(0, width - 1), st.integers(1, width))
    down = st.tuples(st.integers(0, height - 1), st.integers(1, height))
    return st.tuples(across, down).map(
        lambda sides: (
            sides[0][0],
            sides[1][0],
            max(sides[0][0] + 1, sides[0][1]),
            max(sides[1][0] + 1, sides[1][1]),
        )
    )


def test_equal_parts_of_one_image_have_one_identity(astronaut: Pixels) -> None:
    box = (10, 20, 110, 140)
    for digest in ("", "photo"):
        image = Image.from_rgb(astronaut, name="", digest=digest)
        assert image.cropped(box).identity == image.cropped(box).identity


def test_a_file_that_is_decoded_differently_is_another_image(astronaut: Pixels) -> None:
    before = Image.from_rgb(astronaut, name="photo.png", digest="of the file")
    for decoded in (astronaut[::-1], astronaut // 2, astronaut[:, ::-1]):
        assert Image.from_rgb(decoded, name="photo.png", digest="of the file").identity != (
            before.identity
        )


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_weights_share_an_identity_if_their_content_is_equal(
    tmp_path_factory: pytest.TempPathFactory, one: bytes, other: bytes
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    identities = []
    for data in (one, other):
        # In one place, and with one date.
        (folder / "model.safetensors").write_bytes(data)
        os.utime(folder / "model.safetensors", (1, 1))
        identities.append(content_identity(folder))
    assert (identities[0] == identities[1]) == (one == other)


def test_a_file_in_the_place_of_another_of_its_size_and_date_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(content, "SETTLED_NS", 0)  # noted down at once
    weights, other = tmp_path / "model.safetensors", tmp_path / "other"
    for file, data in ((weights, b"one"), (other, b"two")):
        file.write_bytes(data)
        os.utime(file, (1, 1))
    before = content_identity(weights)
    assert list((tmp_path / "home" / "hashes").iterdir())
    time.sleep(0.05)  # a file system's clock may be coarse
    # As rsync does it: written in place, and the date set.
    weights.write_bytes(b"two")
    os.utime(weights, (1, 1))
    assert content_identity(weights) != before
    weights.write_bytes(b"one")
    os.utime(weights, (1, 1))
    assert content_identity(weights) == before
    other.replace(weights)
    assert content_identity(weights) != before


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(content, "SETTLED_NS", 0)
    (tmp_path / "model.pt").write_bytes(b"weights")
    time.sleep(0.05)
    before = content_identity(tmp_path / "model.pt")
    opened: list[Path] = []
    real_open = Path.open

    def counting(path: Path, *args: Any, **settings: Any) -> Any:
        opened.append(path)
        return real_open(path, *args, **settings)

    monkeypatch.setattr(Path, "open", counting)
    assert content_identity(tmp_path / "model.pt") == before
    assert tmp_path / "model.pt" not in opened
    # A note that says nothing sensible is not believed.
    for note in (tmp_path / "home" / "hashes").iterdir():
        note.write_text("")
    assert content_identity(tmp_path / "model.pt") == before


def test_a_home_that_can_not_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(content, "SETTLED_NS", 0)
    (tmp_path / "model.pt").write_bytes(b"weights")
    time.sleep(0.05)
    assert content_identity(tmp_path / "model.pt") == content_identity(tmp_path / "model.pt")


def test_a_copy_elsewhere_is_the_same_and_what_training_leaves_beside_is_nothing(
    tmp_path: Path,
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / "config.json").write_bytes(b"{}")
    (tmp_path / "other" / "optimizer.pt").write_bytes(b"gigabytes")
    (tmp_path / "other" / "checkpoint-500").mkdir()
    assert content_identity(tmp_path / "one") == content_identity(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_bytes(b"{ }")
    assert content_identity(tmp_path / "one") != content_identity(tmp_path / "other")


class Embedding:
    """Remembers nothing but the place where it was made."""

    def __init__(self, place: str) -> None:
        self.place, self.looks = place, 0

    def embed(self, images: list[Image]) -> list[str]:
        self.looks += len(images)
        return [self.place for _ in images]


def model_pool(monkeypatch: pytest.MonkeyPatch, place: str, name: str) -> str:
    monkeypatch.setattr(pool, "build", lambda family, weights, device: Embedding(place))
    shared = ModelPool()
    shared.load(name)
    return shared._identities[name]


def test_a_model_is_another_one_on_another_device_and_in_another_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    identities = [
        model_pool(monkeypatch, place, f"{family}:{tmp_path}/model.pt")
        for family in ("sam2-official", "yolo")
        for place in ("cpu torch.float32", "cuda torch.bfloat16", "cuda torch.float16")
    ]
    assert len(set(identities)) == len(identities)


def test_weights_that_change_while_they_load_are_not_mixed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")

    def slow_build(family: str, path: Path, device: str) -> object:
        weights.write_bytes(b"others!")
        return object()

    monkeypatch.setattr(pool, "build", slow_build)
    with pytest.raises(MissingWeights, match=r"changed while they were loaded"):
        ModelPool().load(f"yolo:{weights}")
