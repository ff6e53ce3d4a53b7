"""An image is looked at once, whoever asks, however often; what is kept stays within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from premask.images import Image
from premask.models.embedding_store import EmbeddingStore
from premask.models.embeddings import EmbeddingCache


@dataclass(frozen=True)
class Remembered:
    """A hundred bytes that say which image they are of."""

    name: str

    @property
    def nbytes(self) -> int:
        return 100

    def to_bytes(self) -> bytes:
        return self.name.encode()


class Model:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.seconds = 0.0

    def embed(self, images: Sequence[Image]) -> list[Remembered]:
        self.seen += [image.name for image in images]
        time.sleep(self.seconds)
        if any(image.name == "broken" for image in images):
            raise ValueError("broken")
        return [Remembered(image.name) for image in images]

    def restore(self, data: bytes) -> Remembered:
        if data.startswith(b"\xff"):
            raise ValueError("not mine")
        return Remembered(data.decode())


def image(name: str, digest: str | None = None) -> Image:
    rgb = np.full((2, 3, 3), len(name), np.uint8)
    return Image.from_rgb(rgb, name=name, digest=name if digest is None else digest)


def names(found: Sequence[Remembered]) -> list[str]:
    return [embedding.name for embedding in found]


def test_an_image_is_looked_at_once() -> None:
    cache, model = EmbeddingCache(), Model()
    assert names(cache.embed("m", model, [image("a"), image("b"), image("a")])) == ["a", "b", "a"]
    assert names(cache.embed("m", model, [image("b"), image("c")])) == ["b", "c"]
    assert model.seen == ["a", "b", "c"]


def test_other_weights_look_anew() -> None:
    cache, model = EmbeddingCache(), Model()
    cache.embed("m 1", model, [image("a")])
    cache.embed("m 2", model, [image("a")])
    assert model.seen == ["a", "a"]


def test_images_without_a_digest_are_known_by_their_pixels() -> None:
    cache, model = EmbeddingCache(), Model()
    one, other, same = cache.embed("m", model, [image("a", ""), image("bb", ""), image("c", "")])
    assert one == same
    assert one != other


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    cache, model = EmbeddingCache(memory_bytes=250), Model()
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.embed("m", model, [image(name)])
    assert model.seen == ["a", "b", "c", "b"]
    assert cache.nbytes == 200


def test_a_larger_batch_than_memory_still_gets_its_answers() -> None:
    cache, model = EmbeddingCache(memory_bytes=100), Model()
    assert names(cache.embed("m", model, [image(name) for name in "abc"])) == ["a", "b", "c"]
    assert cache.nbytes == 100


def test_two_that_ask_at_once_share_one_look() -> None:
    cache, model = EmbeddingCache(), Model()
    model.seconds = 0.1
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(names(cache.embed("m", model, [image("a")]))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["a"]] * 4
    assert model.seen == ["a"]


def test_a_failure_is_not_remembered() -> None:
    cache, model = EmbeddingCache(), Model()
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            cache.embed("m", model, [image("broken"), image("a")])
    assert names(cache.embed("m", model, [image("a")])) == ["a"]


def test_the_store_serves_the_next_process(tmp_path: Path) -> None:
    first, second = Model(), Model()
    EmbeddingCache(store=store(tmp_path)).embed("m", first, [image("a"), image("b")])
    found = EmbeddingCache(store=store(tmp_path)).embed("m", second, [image("a"), image("c")])
    assert names(found) == ["a", "c"]
    assert second.seen == ["c"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_broken_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    EmbeddingCache(store=store(tmp_path)).embed("m", Model(), [image("a")])
    (path,) = tmp_path.rglob("*.embedding")
    data = path.read_bytes()
    damaged = {
        "cut": data[:-1],
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        "empty": b"",
        "foreign": b"\xff" * 40,
    }
    path.write_bytes(damaged[damage])
    for expected in (["a"], []):  # made anew, and stored anew
        model = Model()
        found = EmbeddingCache(store=store(tmp_path)).embed("m", model, [image("a")])
        assert names(found) == ["a"]
        assert model.seen == expected


def test_the_store_is_bounded_and_what_was_used_last_stays(tmp_path: Path) -> None:
    small = EmbeddingStore(tmp_path, limit_bytes=250)
    for number in range(5):
        small.put(f"key{number}", b"x" * 84)  # a hundred bytes with the check
        time.sleep(0.01)
        small.get("key0", bytes)
    assert small.nbytes <= 250
    assert "key0" in small
    assert "key4" in small
    assert "key1" not in small
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.embedding")) == small.nbytes


def test_processes_share_the_bound(tmp_path: Path) -> None:
    one, other = store(tmp_path, 250), store(tmp_path, 250)
    for number in range(4):
        one.put(f"one{number}", b"x" * 84)
        other.put(f"other{number}", b"x" * 84)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.embedding")) <= 400


def store(folder: Path, limit_bytes: int = 10_000) -> EmbeddingStore:
    return EmbeddingStore(folder, limit_bytes=limit_bytes)
