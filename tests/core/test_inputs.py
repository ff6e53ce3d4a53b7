from __future__ import annotations

import os
from pathlib import Path

import pytest

from premask.errors import UnreadableImage
from premask.runs.inputs import Skipped, collect_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", "sub/c.webp", ".hidden/d.png", ".e.png", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "photos"


def names(*paths: Path, root: Path | None = None) -> list[str]:
    return [found.name for found in collect_inputs(paths, root)]


def test_a_folder_gives_its_visible_images_in_order(folder: Path) -> None:
    assert names(folder) == ["a.jpg", "b.PNG", "sub/c.webp"]


def test_what_is_named_twice_is_taken_once(folder: Path) -> None:
    assert names(folder / "b.PNG", folder, folder / "a.jpg") == ["b.PNG", "a.jpg", "sub/c.webp"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert names(folder / "notes.txt") == ["notes.txt"]


def test_names_are_relative_to_the_root(folder: Path) -> None:
    assert names(folder / "sub") == ["c.webp"]
    assert names(folder / "sub", root=folder.parent) == ["photos/sub/c.webp"]
    with pytest.raises(UnreadableImage, match="not below the root folder"):
        names(folder / "a.jpg", root=folder / "sub")


def test_images_that_differ_in_their_suffix_have_stems_of_their_own(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"")
    stems = [found.stem for found in collect_inputs([folder])]
    assert stems == ["a", "a.png", "b", "sub/c"]
    assert len({stem.casefold() for stem in stems}) == len(stems)


def test_nothing_to_do_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="the folder holds no image"):
        collect_inputs([tmp_path])
    with pytest.raises(UnreadableImage, match="there is no such file"):
        collect_inputs([tmp_path / "none"])


def test_what_is_passed_over_is_counted_and_named(folder: Path) -> None:
    for name in ("sub/raw.cr2", "more.CR2", "clip.mp4"):
        (folder / name).write_bytes(b"")
    skipped = Skipped()
    collect_inputs([folder], skipped=skipped)
    lines = "\n".join(skipped.lines())
    assert "2 files (.cr2), such as" in lines
    assert "1 file (.txt), such as" in lines
    assert "clip.mp4: it is a video" in lines
    assert "ffmpeg" in lines
    assert "hidden" not in lines


def test_a_video_says_how_it_is_handled(folder: Path) -> None:
    (folder / "clip.mp4").write_bytes(b"")
    with pytest.raises(UnreadableImage, match="it is a video"):
        collect_inputs([folder / "clip.mp4"])


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_linked_folders_are_followed_once_and_without_end(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    for name in ("f.png", "deep/g.png"):
        (elsewhere / name).write_bytes(b"")
    (elsewhere / "round").symlink_to(elsewhere)
    (folder / "linked").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere / "deep")
    (folder / "inside").symlink_to(folder / "sub")
    (folder / "up").symlink_to(tmp_path)
    skipped = Skipped()
    found = [item.name for item in collect_inputs([folder], skipped=skipped)]
    # `again` is met first, so it is `deep` below `linked` that would be taken twice.
    assert sorted(Path(name).name for name in found) == sorted(
        ["a.jpg", "b.PNG", "c.webp", "f.png", "g.png"]
    )
    assert folder / "up" in skipped.folders
