"""The image cache: no partial files, bounded in size, shared by several processes."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.studio.bounded_folder import ABANDONED_SECONDS
from ml_backend.studio.image_cache import ImageCache, cache_key

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path, 10_000)


def test_what_is_put_in_comes_out(cache: ImageCache) -> None:
    key = cache_key("https://h", "token", "/a.png")
    assert cache.get(key) is None
    cache.put(key, b"a\nb\x00", etag='"1"', last_modified="today")
    kept = cache.get(key)
    assert kept is not None
    assert kept.data == b"a\nb\x00"
    assert kept.age_seconds < 5
    assert kept.conditions == {"If-None-Match": '"1"', "If-Modified-Since": "today"}


def test_parts_of_a_key_do_not_run_together() -> None:
    assert cache_key("ab", "c") != cache_key("a", "bc")
    assert len(cache_key("a")) == 64


@pytest.mark.parametrize("damage", [b"", b"x", b"{}\nabc", b"[]\nabc", None])
def test_a_damaged_file_is_a_missing_one(
    damage: bytes | None, cache: ImageCache, tmp_path: Path
) -> None:
    key = cache_key("a")
    cache.put(key, b"all of it")
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert cache.get(key) is None


def test_only_the_owner_may_look(cache: ImageCache, tmp_path: Path) -> None:
    cache.put(cache_key("a"), b"private")
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_confirmed_is_as_good_as_new(cache: ImageCache, tmp_path: Path) -> None:
    key = cache_key("a")
    cache.put(key, b"image")
    (file,) = files(tmp_path)
    os.utime(file, (time.time(), time.time() - 1000))
    old = cache.get(key)
    assert old is not None
    assert old.age_seconds > 999
    cache.confirm(key)
    new = cache.get(key)
    assert new is not None
    assert new.age_seconds < 5


def test_what_was_not_wanted_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 10_000)
    keys = [cache_key(str(number)) for number in range(30)]
    for key in keys:
        cache.put(key, bytes(700))
        time.sleep(0.002)
        assert cache.get(keys[0]) is not None
        assert sum(file.stat().st_size for file in files(tmp_path)) <= 10_000
    kept = [key for key in keys if cache.get(key) is not None]
    assert kept == [keys[0], *keys[-len(kept) + 1 :]]
    assert len(kept) > 8


def test_an_image_that_would_push_out_many_is_not_kept(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, 10_000)
    cache.put(cache_key("huge"), bytes(2000))
    assert files(tmp_path) == []


def test_what_a_killed_process_left_is_tidied_up(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, new = tmp_path / "ab" / ".part-old", tmp_path / "ab" / ".part-new"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time(), time.time() - 2 * ABANDONED_SECONDS))
    ImageCache(tmp_path, 10_000).put(cache_key("a"), b"image")
    assert not old.exists()
    assert new.exists()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", full)
        yield


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_costs_only_speed(
    cache: ImageCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(cache_key("a"), b"image")
    assert cache.get(cache_key("a")) is None
    assert files(tmp_path) == []
    assert "No space left" in caplog.text


WRITER = """
import sys
from pathlib import Path
from ml_backend.studio.image_cache import ImageCache, cache_key
cache = ImageCache(Path(sys.argv[1]), 4_000_000)
for turn in range(300):
    number = turn % 20
    image = bytes([number]) * 300_000
    kept = cache.get(cache_key(str(number)))
    assert kept is None or kept.data == image
    cache.put(cache_key(str(number)), image)
"""


def test_processes_share_it(tmp_path: Path) -> None:
    """Two processes write more images than there is room for, and delete each other's."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugin'}"}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 4_000_000
    assert not [file for file in files(tmp_path) if file.name.startswith(".part-")]
