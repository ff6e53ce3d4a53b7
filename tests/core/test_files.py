"""A file is there whole, or as it was before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from premask.errors import UnwritableOutput
from premask.files import replacing, replacing_text, write_atomically


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    assert write_atomically(path, b"one") == path
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert names_in(path.parent) == ["a.bin"]


def test_text_is_utf8_with_the_line_ends_that_were_written(tmp_path: Path) -> None:
    with replacing_text(tmp_path / "a.txt") as file:
        file.write("ä\n\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4\n\r\n"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("before")

    def write_half() -> None:
        with replacing_text(tmp_path / "a.txt") as file:
            file.write("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names_in(tmp_path) == ["a.txt"]


def test_nothing_is_there_before_the_block_ends(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"x")
        assert not (tmp_path / "a.bin").exists()


def test_a_full_disk_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwritableOutput, match=r"a\.bin' can't be written: the disk is full. Free"):
        write_atomically(tmp_path / "a.bin", b"x")
    assert names_in(tmp_path) == []


def test_a_name_that_is_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnwritableOutput, match="name is too long"):
        write_atomically(tmp_path / ("x" * 300), b"x")


@pytest.mark.parametrize("name", ["file/a.bin", "file/deep/er/a.bin"])
def test_a_file_in_the_place_of_a_folder_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput, match=r"is a file|has the name of its folder"):
        write_atomically(tmp_path / name, b"x")


def test_a_folder_in_the_place_of_the_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(UnwritableOutput, match="a folder has its name"):
        write_atomically(tmp_path / "a.bin", b"x")
    assert names_in(tmp_path) == ["a.bin"]


def test_an_error_about_another_file_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    def read_another() -> None:
        with replacing(tmp_path / "a.bin") as file:
            file.write((tmp_path / "missing.jpg").read_bytes())

    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        read_another()
    assert names_in(tmp_path) == []
