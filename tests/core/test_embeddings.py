"""An image is looked at once, whoever asks, however often; what is kept stays within bounds."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from premask.errors import UnwritableOutput
from premask.images import Image
from premask.models import embedding_store
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


def test_an_entry_under_the_name_of_another_is_not_believed(tmp_path: Path) -> None:
    EmbeddingCache(store=store(tmp_path)).embed("m", Model(), [image("a")])
    (of_a,) = tmp_path.rglob("*.embedding")
    EmbeddingCache(store=store(tmp_path)).embed("m", Model(), [image("b")])
    (of_b,) = set(tmp_path.rglob("*.embedding")) - {of_a}
    of_b.write_bytes(of_a.read_bytes())
    assert names(EmbeddingCache(store=store(tmp_path)).embed("m", Model(), [image("b")])) == ["b"]


def test_what_is_larger_than_the_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnwritableOutput, match=r"100 bytes does not fit .* 50\. Raise the limit"):
        store(tmp_path, 50).put("key", b"x" * 84)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    small = store(tmp_path, 250)
    small.put("key1", b"x" * 84)
    old, new = tmp_path / "ke" / ".1-old.part", tmp_path / "ke" / ".1-new.part"
    for part in (old, new):
        part.write_bytes(b"x" * 40)
    os.utime(old, (1, 1))
    small.put("key2", b"x" * 84)
    small.put("key3", b"x" * 84)
    assert not old.exists()
    assert new.exists()  # it may be a writer's on a file system without locks
    assert sum(path.stat().st_size for path in (tmp_path / "ke").iterdir()) <= 250


WRITER = """
import sys, threading
from pathlib import Path
from premask.images import Image
from premask.models.embedding_store import EmbeddingStore
folder, name = Path(sys.argv[1]), sys.argv[2]
def write(thread):
    store = EmbeddingStore(folder, limit_bytes=200_000)
    for number in range(150):
        key = f"{number % 7:02}{number}"
        store.put(key if number % 2 else key + name + thread, bytes([number]) * 10_000)
        kept = store.get(f"{number % 7:02}{number}", bytes)
        assert kept in (None, bytes([number]) * 10_000), number
threads = [threading.Thread(target=write, args=thread) for thread in "xy"]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("all written")
"""


def test_processes_that_write_at_once_stay_below_the_limit_and_break_nothing(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "store")]
    writers = [
        subprocess.Popen(
            [*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    most = 0
    while any(writer.poll() is None for writer in writers):
        most = max(most, taken_by(tmp_path / "store"))
        time.sleep(0.001)
    assert [writer.communicate() for writer in writers] == [("all written\n", "")] * 2
    assert 100_000 < most <= 200_000
    assert not list(tmp_path.rglob("*.part"))


def taken_by(folder: Path) -> int:
    """What the files of a folder take while others write and remove them."""
    total = 0
    for path in folder.glob("*/*.embedding"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


ROOM = 16_000_000


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond `ROOM` in this process, as on a disk without more of it.

    The limit holds for the file that this process prints into, too: it has to be a generous one.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class Large(Remembered):
    def to_bytes(self) -> bytes:
        return self.name.encode() * (ROOM + 1)


class LargeModel(Model):
    def embed(self, images: Sequence[Image]) -> list[Remembered]:
        return [Large(embedding.name) for embedding in super().embed(images)]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_fails_no_image_and_is_told_once(tmp_path: Path) -> None:
    cache, model = EmbeddingCache(store=store(tmp_path, 10 * ROOM)), LargeModel()
    with pytest.warns(RuntimeWarning, match=r"not kept on disk: .*can't be written"):
        assert names(cache.embed("m", model, [image("a")])) == ["a"]
    for name in ("b", "a", "c"):  # a second warning would be an error here
        assert names(cache.embed("m", model, [image(name)])) == [name]
    assert model.seen == ["a", "b", "c"]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_an_error_where_the_store_is_the_purpose(tmp_path: Path) -> None:
    cache = EmbeddingCache(store=store(tmp_path, 10 * ROOM))
    for _ in range(2):  # the second time, the embedding is in memory
        with pytest.raises(UnwritableOutput, match="can't be written"):
            cache.embed("m", LargeModel(), [image("a")], must_be_stored=True)


def test_what_was_in_memory_only_is_stored_where_it_must_be(tmp_path: Path) -> None:
    kept = store(tmp_path)
    cache = EmbeddingCache(store=kept)
    cache.embed("m", Model(), [image("a")])
    for path in tmp_path.rglob("*.embedding"):
        path.unlink()
    cache.embed("m", Model(), [image("a")], must_be_stored=True)
    assert cache.is_stored("m", image("a"))


def test_a_store_that_fails_in_any_way_is_only_not_used(tmp_path: Path) -> None:
    class Broken(EmbeddingStore):
        def get(self, key: str, restore: object) -> Any:
            raise RuntimeError("no memory on the device")

        def put(self, key: str, data: bytes) -> None:
            raise RuntimeError("no memory on the device")

    cache, model = EmbeddingCache(store=Broken(tmp_path, limit_bytes=1000)), Model()
    with pytest.warns(RuntimeWarning, match="no memory on the device"):
        assert names(cache.embed("m", model, [image("a")])) == ["a"]


def test_a_store_that_may_only_be_read_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EmbeddingCache(store=store(tmp_path)).embed("m", Model(), [image("a")])

    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    # By a double, as for root nothing is forbidden.
    monkeypatch.setattr(os, "utime", refused)
    model = Model()
    assert names(EmbeddingCache(store=store(tmp_path)).embed("m", model, [image("a")])) == ["a"]
    assert model.seen == []


def test_a_writer_that_never_ends_does_not_stop_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_store, "PATIENCE_SECONDS", 0.05)
    one, other = store(tmp_path), store(tmp_path)
    tmp_path.joinpath("lock").touch()
    with one._locked(), pytest.raises(UnwritableOutput):
        other.put("key", b"data")
    other.put("key", b"data")
    assert other.get("key", bytes) == b"data"


def store(folder: Path, limit_bytes: int = 10_000) -> EmbeddingStore:
    return EmbeddingStore(folder, limit_bytes=limit_bytes)


@dataclass(frozen=True)
class OnGpu(Remembered):
    """What a GPU would hold; `where` says whether it still does."""

    where: str = "gpu"

    @property
    def is_on_gpu(self) -> bool:
        return self.where == "gpu"

    def on_host(self) -> OnGpu:
        return OnGpu(self.name, "host")

    def back(self) -> OnGpu:
        return OnGpu(self.name)


class GpuModel(Model):
    def embed(self, images: Sequence[Image]) -> list[Remembered]:
        return [OnGpu(remembered.name) for remembered in super().embed(images)]


def test_what_a_gpu_has_no_room_for_waits_on_the_host() -> None:
    cache, model = EmbeddingCache(memory_bytes=200, host_bytes=200), GpuModel()
    for name in "abcd":
        cache.embed("m", model, [image(name)])
    assert cache.nbytes == 200
    found = cache.embed("m", model, [image("a"), image("b")])
    assert found == [OnGpu("a"), OnGpu("b")]
    assert model.seen == ["a", "b", "c", "d"]
    assert cache.nbytes == 200
    cache.embed("m", model, [image("e")])  # the host has room for two: the one used first goes
    cache.embed("m", model, [image("c")])
    assert model.seen == ["a", "b", "c", "d", "e", "c"]
    cache.clear()
    assert cache.nbytes == 0
    cache.embed("m", model, [image("a")])
    assert model.seen[-1] == "a"


def test_what_is_larger_than_all_room_is_not_kept() -> None:
    cache, model = EmbeddingCache(memory_bytes=50, host_bytes=50), GpuModel()
    cache.embed("m", model, [image("a")])
    cache.embed("m", model, [image("a")])
    assert model.seen == ["a", "a"]
    roomy = EmbeddingCache(memory_bytes=50, host_bytes=100)
    roomy.embed("m", model, [image("b")])
    assert roomy.embed("m", model, [image("b")]) == [OnGpu("b")]
    assert model.seen == ["a", "a", "b"]
